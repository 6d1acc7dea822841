#include "daemon/base/error.h"

#include <criterion/criterion.h>

#include <cerrno>
#include <set>

#include "daemon/base/result.h"

using namespace akm;

Test(error, every_code_has_its_own_name_sentence_and_bus_name) {
  std::set<std::string> names;
  std::set<std::string> sentences;
  std::set<std::string> bus_names;
  for (std::size_t i = 0; i < kErrcCount; ++i) {
    const auto code = static_cast<Errc>(i);
    names.emplace(errc_name(code));
    sentences.emplace(errc_sentence(code));
    bus_names.insert(errc_dbus_name(code));
    cr_assert_gt(errc_sentence(code).size(), 10);
    const std::string bus = errc_dbus_name(code);
    cr_assert(bus.starts_with("org.akm.Error."));
    cr_assert_eq(bus.find('_'), std::string::npos);
    cr_assert_leq(bus.size(), 255);  // D-Bus's limit
  }
  cr_assert_eq(names.size(), kErrcCount);
  cr_assert_eq(sentences.size(), kErrcCount);
  cr_assert_eq(bus_names.size(), kErrcCount);
  cr_assert_eq(errc_dbus_name(Errc::hardware_mismatch), "org.akm.Error.HardwareMismatch");
}

Test(error, message_names_the_thing_concerned) {
  const Error bare{Errc::busy, {}};
  const Error detailed{Errc::busy, "the lock"};
  cr_assert_eq(bare.message(), errc_sentence(Errc::busy));
  cr_assert(detailed.message().ends_with(": the lock"));
}

Test(error, full_and_read_only_disks_get_their_own_codes) {
  cr_assert(fail_errno(Errc::storage_failed, "x", ENOSPC).error().code == Errc::disk_full);
  cr_assert(fail_errno(Errc::storage_failed, "x", EDQUOT).error().code == Errc::disk_full);
  cr_assert(fail_errno(Errc::storage_failed, "x", EROFS).error().code == Errc::read_only);
  const Error other = fail_errno(Errc::storage_failed, "x", EIO).error();
  cr_assert(other.code == Errc::storage_failed);
  cr_assert_eq(other.detail, "x: Input/output error");
}

namespace {

Status give(bool good) {
  return good ? Status{} : fail(Errc::expired);
}
Result<int> give_value(bool good) {
  if (!good) return fail(Errc::expired, "value");
  return 7;
}
Result<int> through(bool first, bool second) {
  AKM_TRY(give(first));
  AKM_ASSIGN(const int value, give_value(second));
  return value + 1;
}

}  // namespace

Test(error, macros_pass_the_error_on) {
  cr_assert_eq(through(true, true).value(), 8);
  cr_assert(through(false, true).error().code == Errc::expired);
  cr_assert_eq(through(true, false).error().detail, "value");
}
