// Covers what a drive and the kernel's lists of drives say: service::filesystem_of,
// service::mount_points_of_disk, service::is_bundle_name, service::BundleTries::decode with its encoder. The
// first byte chooses.
#include <algorithm>

#include "daemon/service/block_devices.h"
#include "daemon/service/bundle_file.h"
#include "daemon/service/bundle_tries.h"
#include "daemon/service/filesystem_kind.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using akm::fuzz::require;

namespace {

using Bytes = std::span<const std::uint8_t>;

void filesystem(Bytes head) {
  const auto kind = service::filesystem_of(head);
  require(!service::filesystem_name(kind).empty(), "every kind has a name");
  if (service::carries_bundles(kind)) require(head.size() >= 512, "no filesystem without its first sector");
}

void mounts(Bytes text) {
  service::BlockDevice stick;
  stick.disk = "sdb";
  stick.number = 0x811;  // 8:17
  for (const std::string& point : service::mount_points_of_disk({stick}, "sdb", fuzz::as_text(text))) {
    require(!point.empty() && point.find_first_of(" \n") == std::string::npos, "a mount point is one word");
    (void)service::is_system_mount(point);
  }
}

void name(Bytes text) {
  const std::string_view one = fuzz::as_text(text);
  if (!service::is_bundle_name(one)) return;
  require(one.find('/') == std::string_view::npos && one.front() != '.', "a name stays in its folder");
  require(std::ranges::all_of(one, [](char c) { return c > ' ' && c <= '~'; }), "and steers no terminal");
}

void tries(Bytes record) {
  const auto one = service::BundleTries::decode(record);
  if (!one) return;
  require(std::ranges::equal(service::BundleTries::encode(*one), record),
          "a record is written as what it is");
  for (const auto& tried : *one)
    require(tried.tries > 0 && tried.tries <= service::kBundleTries, "tries in bounds");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::array kReaders{&filesystem, &mounts, &name, &tries};
  fuzz::Input input(data, size);
  const std::size_t which = input.below(kReaders.size());
  kReaders[which](input.rest());
  return 0;
}
