#include "daemon/nmm/nmm_settings.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

using namespace akm;
using namespace akm::nmm;

namespace {

struct File {
  std::string path = (std::filesystem::temp_directory_path() / "akm-nmm-XXXXXX").string();
  explicit File(const std::string& text) {
    ::close(::mkstemp(path.data()));
    std::ofstream(path) << text;
  }
  File(const File&) = delete;
  ~File() { std::filesystem::remove(path); }
};

Result<NmmSettings> load(const std::string& text) {
  const File file(text);
  AKM_ASSIGN(const auto config, service::Config::load(file.path, nmm_schema()));
  AKM_ASSIGN(const auto common, service::common_settings(config, "akm-nmmd"));
  return nmm_settings(config, common);
}

}  // namespace

Test(nmm_settings, defaults_are_those_of_the_protocol) {
  const auto settings = load("");
  cr_assert(settings.has_value());
  cr_assert(settings->policy == protocol::Policy{});
  cr_assert_eq(settings->bundle_expiry_s, 7U * 86400);
  cr_assert(settings->recovery.mode == policy::Mode::enforce);
  cr_assert_eq(settings->recovery.quorum_floor, 2U);
  cr_assert(settings->endpoints.empty(), "a wildcard tells a node nothing");
}

Test(nmm_settings, reads_what_is_set) {
  const auto settings = load(
      "[nmm]\nname = \"north\"\nbundle_expiry_s = 60\nbind_at_activation = false\n"
      "[network]\nlisten = \"192.0.2.1:7400\"\n"
      "[recovery]\nmode = \"observe\"\non_evidence = \"rekey\"\nquorum_floor = 3\nnever_evict = [\"a\", "
      "\"b\"]\n"
      "[policy]\nrekey_interval_s = 30\n");
  cr_assert(settings.has_value());
  cr_assert_eq(settings->name, "north");
  cr_assert_eq(settings->bundle_expiry_s, 60U);
  cr_assert_not(settings->bind_at_activation);
  cr_assert(settings->endpoints == (std::vector<std::string>{"192.0.2.1:7400"}),
            "the listen address is advertised");
  cr_assert(settings->recovery.mode == policy::Mode::observe);
  cr_assert(settings->recovery.on_evidence == policy::Verdict::rekey);
  cr_assert_eq(settings->never_evict.size(), 2U);
  cr_assert_eq(settings->policy.rekey_interval_s, 30U);
}

Test(nmm_settings, whether_tpms_need_a_certificate) {
  const auto standard = load("");
  cr_assert_not(standard->ek_certificate_required);
  cr_assert_str_eq(standard->tpm_roots.c_str(), "/etc/akm/tpm-roots.d");
  const auto settings = load("[nmm]\nek_certificate = \"required\"\ntpm_roots = \"/srv/roots\"\n");
  cr_assert(settings.has_value());
  cr_assert(settings->ek_certificate_required);
  cr_assert_str_eq(settings->tpm_roots.c_str(), "/srv/roots");
}

Test(nmm_settings, advertised_endpoints_go_first) {
  const auto settings = load(
      "[network]\nlisten = \"0.0.0.0:7400\"\nadvertise = [\"198.51.100.1:7400\", \"[2001:db8::1]:7400\"]\n");
  cr_assert(settings.has_value());
  cr_assert_eq(settings->endpoints.size(), 2U);
}

Test(nmm_settings, errors_name_file_and_line) {
  const auto unknown = load("[nmm]\nnmae = \"x\"\n");
  cr_assert(unknown.error().code == Errc::config_invalid);
  cr_assert_neq(unknown.error().detail.find(":2"), std::string::npos);
  for (const char* text : {"[network]\nadvertise = [\"host.example:1\"]\n", "[recovery]\nquorum_floor = 1\n",
                           "[nmm]\nname = \"\"\n", "[recovery]\non_evidence = \"evict\"\n",
                           "[network]\nadvertise = [\"192.0.2.1:1\",\"192.0.2.1:2\",\"192.0.2.1:3\","
                           "\"192.0.2.1:4\",\"192.0.2.1:5\"]\n",
                           "[nmm]\ntpm_roots = \"roots\"\n", "[nmm]\nek_certificate = \"yes\"\n",
                           "[nmm]\nmissed_heartbeats = 0\n"}) {
    cr_assert(load(text).error().code == Errc::config_invalid, "%s", text);
  }
}

Test(nmm_settings, the_example_that_the_daemon_prints_is_a_file_that_it_takes) {
  const auto settings = load(service::example_config("akm-nmmd", nmm_schema()));
  cr_assert(settings.has_value(), "%s", settings ? "" : settings.error().message().c_str());
}

Test(nmm_settings, golden_pcrs_are_digests_and_not_too_many) {
  const std::string digest(64, 'a');
  const auto with = [](const std::string& list) { return load("[nmm]\ngolden_pcrs = [" + list + "]\n"); };
  cr_assert_eq(with("\"" + digest + "\"")->golden_pcrs.at(0)[0], 0xaa);
  for (const char* bad : {"\"\"", "\"aa\"", "\"x\""}) cr_assert_not(with(bad).has_value(), "%s", bad);
  std::string many;
  for (std::size_t i = 0; i <= kGoldenPcrs; ++i) many += (many.empty() ? "\"" : ", \"") + digest + "\"";
  cr_assert_not(with(many).has_value());
  cr_assert_not(load("")->ek_certificate_in_time);
  cr_assert(load("[nmm]\nek_certificate_times = \"required\"\n")->ek_certificate_in_time);
}
