#include "bpf/loader/watch_list.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "bpf/loader/file_device.h"

using namespace akm::bpf;

namespace {

bool has_prefix(const WatchList& list, const std::string& text, bool whole, std::uint8_t watch) {
  return std::ranges::any_of(list.prefixes, [&](const WatchList::Prefix& prefix) {
    return prefix.text == text && prefix.whole == whole && prefix.watch == watch;
  });
}

}  // namespace

Test(watch_list, folders_and_what_is_above_them) {
  const WatchList list = make_watch_list({{"/usr/lib", Watch::state, 0, 0}}, {"/usr/share"}, {}, 77);
  cr_assert(has_prefix(list, "/usr/lib", true, AKM_WATCH_STATE));
  cr_assert(has_prefix(list, "/usr/lib/", false, AKM_WATCH_STATE));
  cr_assert(has_prefix(list, "/usr", true, AKM_WATCH_MOUNT | AKM_MOUNTS_ONLY));
  cr_assert(has_prefix(list, "/", true, AKM_WATCH_MOUNT | AKM_MOUNTS_ONLY));
  cr_assert(has_prefix(list, "/usr/share/akm", false, AKM_WATCH_SERVICE));
  cr_assert(has_prefix(list, "/usr/share/org.akm", false, AKM_WATCH_SERVICE));
  cr_assert(has_prefix(list, "/proc/77/mem", true, AKM_WATCH_PROCESS | AKM_READS_TOO));
  cr_assert_eq(list.folders.size(), 4u);
}

Test(watch_list, a_folder_is_watched_for_its_first_reason) {
  const WatchList list =
      make_watch_list({{"/usr", Watch::state, 0, 0}, {"/usr/lib", Watch::config, 0, 0}}, {"/usr"}, {}, 1);
  cr_assert_eq(list.folders.size(), 3u);
  cr_assert_eq(list.folders[0].watch, AKM_WATCH_STATE);
}

Test(watch_list, everything_fits_the_maps) {
  const WatchList list =
      make_watch_list({{"/usr/lib", Watch::state, 0, 0}}, default_service_folders(), "/sys/fs/bpf", 1);
  cr_assert_leq(list.devices.size(), std::size_t{AKM_MAX_DEVICES});
  cr_assert_leq(list.names.size(), std::size_t{AKM_MAX_NAMES});
  cr_assert_leq(list.folders.size(), std::size_t{AKM_MAX_FOLDERS});
  cr_assert_lt(list.tools.size(), std::size_t{AKM_MAX_TOOLS});
  cr_assert_leq(list.prefixes.size(), std::size_t{AKM_MAX_PREFIXES - 64},
                "the folders of a full configuration fit");
}

Test(watch_list, devices_by_the_kernels_number) {
  cr_assert_eq(kernel_device(makedev(1, 1)), (1u << 20) | 1u);
  cr_assert_eq(kernel_device(makedev(252, 65536)), (252u << 20) | 65536u);
  const WatchList list = make_watch_list({}, {}, {}, 1);
  cr_assert(std::ranges::any_of(list.devices, [](const auto& entry) {
    return entry.key == kernel_device(makedev(1, 1)) && entry.watch == AKM_WATCH_KERNEL_MEMORY;
  }));
}
