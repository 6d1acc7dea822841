#include "daemon/service/gate_settings.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;

namespace {

Result<GateSettings> settings_of(const std::string& text) {
  Schema schema;
  add_gate_settings(schema, 1024);
  const test::TemporaryFolder folder;
  const auto config = Config::load(folder.write("a.toml", text), schema);
  if (!config) return std::unexpected(config.error());
  return gate_settings(*config);
}

}  // namespace

Test(service_gate_settings, standard) {
  const auto settings = settings_of("");
  cr_assert(settings->enabled);
  cr_assert(settings->mode == bpf::GateMode::automatic);
  cr_assert_eq(settings->ids_max, 1024u);
  cr_assert_eq(settings->source_per_s, 200u);
  cr_assert_eq(settings->total_per_s, 5000u);
}

Test(service_gate_settings, each_mode) {
  const std::pair<const char*, bpf::GateMode> modes[] = {{"auto", bpf::GateMode::automatic},
                                                         {"xdp", bpf::GateMode::xdp},
                                                         {"generic-xdp", bpf::GateMode::xdp_generic},
                                                         {"tc", bpf::GateMode::tc}};
  for (const auto& [text, mode] : modes) {
    const auto settings = settings_of(std::string("[gate]\nenabled = false\nmode = \"") + text + "\"\n");
    cr_assert(settings->mode == mode);
    cr_assert_not(settings->enabled);
  }
}

Test(service_gate_settings, what_cannot_be) {
  cr_assert_not(settings_of("[gate]\nmode = \"maybe\"\n").has_value());
  cr_assert_not(settings_of("[gate]\nsource_per_s = 0\n").has_value());
  cr_assert_not(settings_of("[gate]\nids_max = 65537\n").has_value());
}
