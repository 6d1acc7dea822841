#include "daemon/service/hardware_settings.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;

namespace {

Result<keyring::HardwareOptions> options_of(const std::string& text, SealingChoice sealing) {
  Schema schema;
  add_hardware_settings(schema);
  const test::TemporaryFolder folder;
  const auto config = Config::load(folder.write("a.toml", text), schema);
  if (!config) return std::unexpected(config.error());
  Settings common;
  common.sealing = sealing;
  common.tcti = "swtpm:path=/x";
  return hardware_settings(*config, common);
}

}  // namespace

Test(service_hardware_settings, all_sources_by_default) {
  const auto options = options_of("", SealingChoice::automatic);
  cr_assert_eq(options->sources.size(), keyring::kHardwareSourceCount);
  cr_assert_eq(options->sysfs_root, "/sys");
  cr_assert_eq(options->tcti, "swtpm:path=/x");
}

Test(service_hardware_settings, which_count_is_policy) {
  const auto options = options_of("[hardware]\nsources = [\"dmi-product-uuid\"]\ninterface = \"eth1\"\n",
                                  SealingChoice::software);
  cr_assert_eq(options->sources.size(), 1U);
  cr_assert_eq(options->interface, "eth1");
  cr_assert(options->tcti.empty(), "a TPM that was switched off is not asked");
  cr_assert(!options_of("[hardware]\nsources = [\"colour\"]\n", SealingChoice::automatic));
}
