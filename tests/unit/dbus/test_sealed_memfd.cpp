#include "dbus/sealed_memfd.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>

using namespace akm;
using namespace akm::dbus;

namespace {
constexpr std::array<std::uint8_t, 4> kBytes{1, 2, 3, 4};
}

Test(sealed_memfd, holds_what_it_was_made_of_and_cannot_be_changed) {
  const auto fd = make_sealed_memfd("test", kBytes);
  cr_assert(fd.has_value());
  cr_assert_lt(pwrite(fd->get(), "x", 1, 0), 0);
  cr_assert_lt(ftruncate(fd->get(), 0), 0);
  cr_assert_eq(*check_sealed_memfd(fd->get(), 4), 4);
  const auto back = read_sealed_memfd(fd->get(), 4);
  cr_assert(back.has_value());
  cr_assert(std::equal(back->reveal().begin(), back->reveal().end(), kBytes.begin(), kBytes.end()));
  cr_assert(read_sealed_memfd(fd->get(), 4).has_value());  // the offset plays no part
}

Test(sealed_memfd, refuses_all_others) {
  const auto large = make_sealed_memfd("test", kBytes);
  cr_assert_eq(check_sealed_memfd(large->get(), 3).error().code, Errc::too_large);
  const auto empty = make_sealed_memfd("test", {});
  cr_assert_eq(check_sealed_memfd(empty->get(), 3).error().code, Errc::invalid_argument);
  cr_assert_eq(check_sealed_memfd(-1, 3).error().code, Errc::invalid_argument);
  std::array<int, 2> ends{};
  cr_assert_eq(pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  cr_assert_eq(check_sealed_memfd(reader.get(), 3).error().code, Errc::invalid_argument);  // would block
  for (const int seals : {F_SEAL_WRITE, F_SEAL_GROW | F_SEAL_SHRINK, F_SEAL_WRITE | F_SEAL_GROW}) {
    const UniqueFd fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    cr_assert_eq(write(fd.get(), "abc", 3), 3);
    cr_assert_eq(fcntl(fd.get(), F_ADD_SEALS, seals), 0);
    cr_assert_eq(read_sealed_memfd(fd.get(), 9).error().code, Errc::invalid_argument);
  }
}

Test(sealed_memfd, what_is_no_secret_is_read_with_the_same_care) {
  const auto fd = make_sealed_memfd("test", kBytes);
  cr_assert(*read_public_memfd(fd->get(), 4) == std::vector<std::uint8_t>(kBytes.begin(), kBytes.end()));
  cr_assert(read_public_memfd(fd->get(), 3).error().code == Errc::too_large);
  const UniqueFd open(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  cr_assert(read_public_memfd(open.get(), 4).error().code == Errc::invalid_argument);
}
