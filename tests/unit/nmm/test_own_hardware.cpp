#include "daemon/nmm/own_hardware.h"

#include <criterion/criterion.h>

#include "tests/support/memory_store.h"

using namespace akm;
using namespace akm::nmm;

namespace {

struct Fixture {
  akm::test::MemoryStore store;
  keyring::HardwareSources found{{"dmi-product-uuid", "u"}, {"nic-permanent-mac", "m"}};
  OwnHardware own{store, [this]() -> Result<keyring::HardwareSources> {
                    if (found.empty()) return fail(Errc::no_hardware_source);
                    return found;
                  }};
  std::string finding;
};

}  // namespace

Test(own_hardware, the_first_start_binds) {
  Fixture f;
  cr_assert(f.own.check(f.finding).has_value());
  cr_assert(f.own.check(f.finding).has_value());
  cr_assert(f.finding.empty());
}

Test(own_hardware, another_machine_is_refused_by_name_until_it_is_accepted) {
  Fixture f;
  cr_assert(f.own.check(f.finding).has_value());
  f.found[1].second = "x";
  const Status refused = f.own.check(f.finding);
  cr_assert_eq(refused.error().code, Errc::hardware_mismatch);
  cr_assert(refused.error().detail.contains("nic-permanent-mac changed"));
  cr_assert(refused.error().detail.contains("accept-hardware"));
  cr_assert(f.own.accept().has_value());
  cr_assert(f.own.check(f.finding).has_value());
}

Test(own_hardware, a_machine_that_cannot_be_told_is_said) {
  Fixture f;
  f.found.clear();
  cr_assert(f.own.check(f.finding).has_value());
  cr_assert(!f.finding.empty());
}
