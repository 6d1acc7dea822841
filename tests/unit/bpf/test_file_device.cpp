#include "bpf/loader/file_device.h"

#include <criterion/criterion.h>

#include <sstream>

using namespace akm::bpf;

namespace {

constexpr const char* kMounts =
    "21 27 0:20 / /proc rw,relatime shared:14 - proc proc rw\n"
    "27 1 0:31 /@root / rw,relatime shared:1 - btrfs /dev/vda2 rw,subvolid=256,subvol=/@root\n"
    "40 27 254:17 / /srv rw - ext4 /dev/vdb1 rw\n";

std::optional<std::uint32_t> of(const char* text, std::uint64_t mount) {
  std::istringstream in(text);
  return device_of_mount(in, mount);
}

}  // namespace

Test(file_device, of_a_mount_by_its_number) {
  cr_assert_eq(of(kMounts, 27).value(), 31U);
  cr_assert_eq(of(kMounts, 40).value(), (254U << 20) | 17U);
}

Test(file_device, no_such_mount_and_text_of_another_form) {
  cr_assert_not(of(kMounts, 1).has_value());
  cr_assert_not(of("", 27).has_value());
  cr_assert_not(of("27 1 31 / / rw\n", 27).has_value());
  cr_assert_not(of("garbage\n27 1 0:31 / / rw\n", 27).has_value());
}

Test(file_device, where_stat_says_it_too) {
  struct stat status{};
  cr_assert_eq(::stat("/proc/self/status", &status), 0);
  cr_assert_eq(file_device("/proc/self/status", status), kernel_device(status.st_dev));
  cr_assert_eq(::stat("/", &status), 0);
  cr_assert_eq(file_device("/nonexistent", status), kernel_device(status.st_dev), "nothing better is known");
}
