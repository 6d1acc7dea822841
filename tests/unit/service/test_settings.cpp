#include "daemon/service/settings.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;

namespace {

Result<Settings> settings_of(const std::string& text) {
  const test::TemporaryFolder folder;
  const auto config = Config::load(folder.write("a.toml", text), common_schema("akmd", 7400, 0x01800A4B));
  if (!config) return std::unexpected(config.error());
  return common_settings(*config, "akmd");
}

}  // namespace

Test(settings, defaults_are_those_of_the_program) {
  const auto settings = settings_of("");
  cr_assert(settings.has_value());
  cr_assert_eq(settings->state_folder, "/var/lib/akmd");
  cr_assert_eq(settings->listen.port, 7400);
  cr_assert_eq(settings->nv_index, 0x01800A4B);
  cr_assert_eq(settings->keyring_name, "akmd");
  cr_assert_eq(settings->bus_address, "system");
  cr_assert_eq(settings->log.identifier, "akmd");
}

Test(settings, words_become_types) {
  const auto settings = settings_of(
      "[sealing]\nmode = \"software\"\npcrs = [\"7\", \"11\"]\n[network]\nlisten = \"[::1]:1\"\nio_backend = "
      "\"epoll\"\n[log]\ntarget = "
      "\"text\"\nlevel = \"debug\"\n");
  cr_assert(settings.has_value());
  cr_assert_eq(settings->sealing, SealingChoice::software);
  const std::vector<std::uint32_t> pcrs{7, 11};
  cr_assert(settings->pcrs == pcrs);
  cr_assert_eq(settings->io_backend, io::BackendChoice::epoll);
  cr_assert_eq(settings->log.target, log::Options::Target::text);
  cr_assert_eq(settings->log.level, log::Level::debug);
  cr_assert_not(settings->listen.is_ipv4());
}

Test(settings, what_does_not_fit_names_its_line) {
  for (const char* text :
       {"[network]\nlisten = \"localhost:7400\"\n", "[network]\nlisten = \"1.2.3.4\"\n",
        "[state]\nfolder = \"relative\"\n", "[sealing]\npcrs = [\"24\"]\n", "[sealing]\npcrs = [\"7x\"]\n",
        "[sealing]\nmode = \"software\"\nallow_software = false\n"}) {
    const auto settings = settings_of(text);
    cr_assert_not(settings.has_value(), "was accepted: %s", text);
    cr_assert_eq(settings.error().code, Errc::config_invalid);
    cr_assert_neq(settings.error().detail.find("a.toml:2"), std::string::npos, "%s",
                  settings.error().detail.c_str());
  }
}
