#include "daemon/node/node_settings.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::node;

namespace {

Result<NodeSettings> settings_of(const std::string& text) {
  const test::TemporaryFolder folder;
  const auto config = service::Config::load(folder.write("akmd.toml", text), node_schema());
  if (!config) return std::unexpected(config.error());
  return node_settings(*config);
}

}  // namespace

Test(node_settings, defaults_are_those_of_the_policy) {
  const auto settings = settings_of("[policy]\nfile = \"/nonexistent/policy.toml\"\n");
  cr_assert(settings.has_value());
  cr_assert(settings->responses == policy::default_node_policy());
  cr_assert_eq(settings->hardware.sources.size(), keyring::kHardwareSourceCount);
  cr_assert(settings->activate_automatically);
}

Test(node_settings, the_policy_is_a_file_of_its_own) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("policy.toml", "[responses.key-access]\nmode = \"observe\"\n");
  const auto settings =
      settings_of("[policy]\nfile = \"" + path + "\"\n[hardware]\nsources = [\"dmi-board-serial\"]\n" +
                  "[sealing]\nmode = \"software\"\n");
  cr_assert(settings.has_value(), "%s", settings ? "" : settings.error().message().c_str());
  cr_assert_eq(settings->responses.of(policy::DetectionClass::key_access).mode, policy::Mode::observe);
  cr_assert_eq(settings->hardware.sources.at(0), keyring::HardwareSource::dmi_board_serial);
  cr_assert(settings->hardware.tcti.empty(), "software sealing leaves the TPM alone");
  folder.write("policy.toml", "[responses.key-axess]\nmode = \"observe\"\n");
  const auto wrong = settings_of("[policy]\nfile = \"" + path + "\"\n");
  cr_assert_not(wrong.has_value());
  cr_assert(wrong.error().detail.contains("policy.toml:1: unknown key responses.key-axess"));
}

Test(node_settings, mistakes_are_errors) {
  for (const char* text :
       {"[responses.key-access]\nmode = \"observe\"\n", "[policy]\nfile = \"policy.toml\"\n",
        "[hardware]\nsources = [\"shoe-size\"]\n", "[probes]\ncheck_interval_s = 0\n"}) {
    const auto settings = settings_of(text);
    cr_assert_not(settings.has_value(), "was accepted: %s", text);
    cr_assert_eq(settings.error().code, Errc::config_invalid, "%s", settings.error().message().c_str());
  }
}

Test(node_settings, drives_are_configuration) {
  cr_assert(settings_of("")->drives_watch);
  const auto settings = settings_of("[drives]\nwatch = false\nalso = [\"/dev/mmcblk0\"]\n");
  cr_assert(settings.has_value(), "%s", settings ? "" : settings.error().message().c_str());
  cr_assert_not(settings->drives_watch);
  cr_assert_eq(settings->drives_also.at(0), "/dev/mmcblk0");
  cr_assert_eq(settings_of("[drives]\nalso = [\"sdb\"]\n").error().code, Errc::config_invalid);
  std::string many = "[drives]\nalso = [";
  for (int i = 0; i < 17; ++i) many += "\"/dev/loop" + std::to_string(i) + "\",";
  cr_assert_eq(settings_of(many + "]\n").error().code, Errc::config_invalid);
}

Test(node_settings, the_data_service_is_configuration) {
  const auto standard = settings_of("");
  cr_assert_eq(standard->data.folder, "/run/akm/asr");
  cr_assert(standard->data.users == std::vector<std::string>{"root"});
  cr_assert(standard->data.groups == std::vector<std::string>{"akm"});
  const auto settings = settings_of(
      "[data]\nfolder = \"\"\nusers = [\"7\"]\ngroups = []\nclients = 3\nreader_queue_kib = 16\n");
  cr_assert(settings.has_value());
  cr_assert(settings->data.folder.empty());
  cr_assert_eq(settings->data.users.at(0), "7");
  cr_assert_eq(settings->data.clients, 3);
  cr_assert_eq(settings->data.reader_queue_bytes, 16384);
  const std::string too_long = "[data]\nfolder = \"/" + std::string(36, 'x') + "\"\n";
  for (const std::string& text : {std::string("[data]\nfolder = \"run\"\n"), too_long}) {
    cr_assert_eq(settings_of(text).error().code, Errc::config_invalid);
  }
}

Test(node_settings, the_example_that_the_daemon_prints_is_a_file_that_it_takes) {
  const auto settings = settings_of(service::example_config("akmd", node_schema()));
  cr_assert(settings.has_value(), "%s", settings ? "" : settings.error().message().c_str());
}

Test(node_settings, consumers_are_configuration) {
  cr_assert(settings_of("")->consumers.empty(), "nobody gets a key unsaid");
  const auto settings = settings_of(
      "[[consumers]]\nname = \"vpn\"\nasr = \"asr-1\"\nuser = \"vpnd\"\nexecutable = \"/usr/sbin/vpnd\"\n"
      "[[consumers]]\nname = \"disk\"\nasr = \"asr-1\"\nuser = \"0\"\nexecutable = \"/sbin/dmsetup\"\n"
      "types = [\"logon\"]\nkey_bytes = 64\n");
  cr_assert(settings.has_value(), "%s", settings ? "" : settings.error().message().c_str());
  cr_assert_eq(settings->consumers.size(), 2);
  const ConsumerRule& vpn = settings->consumers[0];
  cr_assert_eq(vpn.executable, "/usr/sbin/vpnd");
  cr_assert(vpn.types == std::vector<std::string>{"user"});
  cr_assert_eq(vpn.key_bytes, 32);
  cr_assert_eq(settings->consumers[1].key_bytes, 64);
  const std::string whole =
      "[[consumers]]\nname = \"vpn\"\nasr = \"a\"\nuser = \"u\"\nexecutable = \"/x\"\ntypes = [\"user\"]\n";
  cr_assert(settings_of(whole).has_value());
  for (const auto& [good, bad] :
       std::vector<std::pair<std::string, std::string>>{{"\"vpn\"", "\"v:n\""},
                                                        {"\"a\"", "\"\""},
                                                        {"\"u\"", "\"\""},
                                                        {"\"/x\"", "\"x\""},
                                                        {"[\"user\"]", "[\"big_key\"]"}}) {
    std::string text = whole;
    text.replace(text.find(good), good.size(), bad);
    const auto refused = settings_of(text);
    cr_assert_not(refused.has_value(), "was accepted: %s", text.c_str());
    cr_assert(refused.error().detail.contains("akmd.toml:"), "%s", refused.error().message().c_str());
  }
}
