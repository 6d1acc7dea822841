#include "daemon/sentry/probe_settings.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::sentry;

namespace {

Result<ProbeSettings> read(const std::string& text) {
  service::Schema schema;
  add_probe_settings(schema, "akmd");
  auto config = service::Config::parse(text, "test", schema);
  if (!config) return std::unexpected(config.error());
  return probe_settings(*config);
}

}  // namespace

Test(probe_settings, has_defaults_and_reads_each_key) {
  const auto standard = read("");
  cr_assert(standard.has_value());
  cr_assert(standard->enabled);
  cr_assert_eq(standard->check_interval_s, 5);
  cr_assert_eq(standard->config_folder, "/etc/akm");
  cr_assert_eq(standard->pin_folder, "/sys/fs/bpf/akm/akmd");
  cr_assert_eq(standard->programs().size(), 3, "those beside us");
  const auto own = read(
      "[probes]\nenabled = false\nconfig_folder = \"\"\ncheck_interval_s = 7\npin_folder = \"/p\"\n"
      "our_programs = [\"/usr/sbin/akmd\"]\n");
  cr_assert(own.has_value());
  cr_assert_not(own->enabled);
  cr_assert(own->config_folder.empty());
  cr_assert_eq(own->check_interval_s, 7);
  cr_assert_eq(own->pin_folder, "/p");
  cr_assert_eq(own->programs(), std::vector<std::string>{"/usr/sbin/akmd"});
}

Test(probe_settings, a_program_is_an_absolute_path) {
  cr_assert_not(read("[probes]\nour_programs = [\"akmd\"]\n").has_value());
}
