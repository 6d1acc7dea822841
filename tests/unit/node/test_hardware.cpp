#include "daemon/node/hardware.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::node;

Test(hardware, is_collected_once) {
  int collected = 0;
  Hardware hardware([&]() -> Result<keyring::HardwareSources> {
    ++collected;
    return keyring::HardwareSources{{"dmi-product-uuid", "abc"}};
  });
  const auto first = hardware.value();
  const auto identity = hardware.identity();
  cr_assert(first.has_value() && identity.has_value());
  cr_assert_eq(collected, 1);
  cr_assert_eq(identity->value.size(), 32);
  cr_assert_eq(identity->sources.at(0).second, "abc");
  cr_assert(std::equal(first->begin(), first->end(), identity->value.begin()));
}

Test(hardware, a_failure_is_not_kept) {
  bool there = false;
  Hardware hardware([&]() -> Result<keyring::HardwareSources> {
    if (!there) return fail(Errc::no_hardware_source);
    return keyring::HardwareSources{{"dmi-board-serial", "abc"}};
  });
  cr_assert_eq(hardware.value().error().code, Errc::no_hardware_source);
  there = true;
  cr_assert(hardware.value().has_value());
}

Test(hardware, another_machine_has_another_value) {
  Hardware one([] { return keyring::HardwareSources{{"dmi-product-uuid", "abc"}}; });
  Hardware other([] { return keyring::HardwareSources{{"dmi-product-uuid", "abd"}}; });
  cr_assert(one.value().value() != other.value().value());
}

Test(hardware, where_no_tpm_is_expected_there_are_no_ways) {
  const TpmWays none = tpm_ways("device:/dev/no-such-tpm");
  cr_assert(!none.quoter && !none.identity && !none.import);
  const TpmWays unreachable = tpm_ways("swtpm:path=/nonexistent");
  cr_assert_eq(unreachable.identity().error().code, Errc::tpm_failed);
  cr_assert_eq(unreachable.import({}).error().code, Errc::tpm_failed);
}
