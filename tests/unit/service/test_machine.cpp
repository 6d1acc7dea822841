#include "daemon/service/machine.h"

#include <criterion/criterion.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

using namespace akm;

Test(service_machine, ids_are_read_and_the_machines_is_hashed) {
  akm::test::TemporaryFolder folder;
  std::ofstream(folder.file("boot")) << "00112233-4455-6677-8899-aabbccddeeff\n";
  std::ofstream(folder.file("machine")) << "00112233445566778899aabbccddeeff\n";
  const auto seen = service::this_machine(7, folder.file("boot"), folder.file("machine"));
  cr_assert_eq(seen.boot_id[1], 0x11);
  cr_assert_eq(seen.boot_id[15], 0xff);
  cr_assert_eq(seen.start, 7U);
  cr_assert(seen.machine != protocol::Digest32{});
  cr_assert(!std::equal(seen.boot_id.begin(), seen.boot_id.end(), seen.machine.begin()));
}

Test(service_machine, this_kernel_has_a_boot_id) {
  const auto boot = service::read_boot_id();
  cr_assert(boot.has_value());
  cr_assert(*boot != (std::array<std::uint8_t, 16>{}));
  cr_assert(service::this_machine(1).boot_id == *boot);
  cr_assert_not(service::read_boot_id("/proc/version").has_value());
  cr_assert_not(service::read_boot_id("/nonexistent").has_value());
}

Test(service_machine, what_cannot_be_read_is_zeros) {
  akm::test::TemporaryFolder folder;
  std::ofstream(folder.file("boot")) << "not an id";
  const auto seen = service::this_machine(1, folder.file("boot"), folder.file("absent"));
  cr_assert(seen.boot_id == (std::array<std::uint8_t, 16>{}));
  cr_assert(seen.machine == protocol::Digest32{});
}
