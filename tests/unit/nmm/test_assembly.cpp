#include "daemon/nmm/assembly.h"

#include <criterion/criterion.h>
#include <criterion/logging.h>

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;

TestSuite(assembly, .init = nmm::test::quiet);

namespace {

struct Fixture {
  std::string folder = (std::filesystem::temp_directory_path() / "akm-nmm-XXXXXX").string();
  SystemRandom random;
  std::unique_ptr<io::Loop> loop;
  std::unique_ptr<Assembly> assembly;
  service::Settings settings;
  bool gate = false;  // at the loopback of this machine
  bool probes = false;

  Fixture() {
    cr_assert_not_null(::mkdtemp(folder.data()));
    settings.state_folder = folder + "/state";
    settings.sealing = service::SealingChoice::software;
    settings.nv_index = kDefaultNvIndex;
    settings.listen = *parse_endpoint("127.0.0.1:0");
    settings.io_backend = io::BackendChoice::epoll;
  }
  Fixture(const Fixture&) = delete;
  ~Fixture() {
    assembly.reset();
    std::filesystem::remove_all(folder);
  }
  Status start() {
    assembly.reset();
    loop = std::move(*io::Loop::create(settings.io_backend));
    NmmSettings own;
    own.name = "north";
    own.endpoints = {"127.0.0.1:7400"};
    own.gate.enabled = gate;
    own.probes.enabled = probes;
    own.probes.config_folder.clear();
    AKM_ASSIGN(assembly, Assembly::make(settings, own, *loop, random));
    return assembly->start({});
  }
};

}  // namespace

Test(assembly, starts_without_a_root_secret_and_keeps_the_one_it_makes) {
  Fixture f;
  cr_assert(f.start());
  for (const std::string& finding : f.assembly->port().status().findings) cr_log_info("%s", finding.c_str());
  cr_assert_eq(f.assembly->port().status().state, "no-root-secret");
  cr_assert_eq(f.assembly->port().status().name, "north");
  cr_assert_neq(f.assembly->port().status().listen, "127.0.0.1:0", "the port that the kernel chose");
  std::optional<Status> done;
  f.assembly->port().create_root_secret(nmm::test::into(done));
  cr_assert(*done);
  const auto nmm_id = f.assembly->port().status().nmm_id;
  const auto incarnation = f.assembly->port().status().incarnation;
  cr_assert(f.start());
  cr_assert_eq(f.assembly->port().status().state, "ready");
  cr_assert_eq(f.assembly->port().status().nmm_id, nmm_id);
  cr_assert_gt(f.assembly->port().status().incarnation, incarnation);
}

Test(assembly, state_that_does_not_open_is_kept_and_said) {
  Fixture f;
  f.settings.sealing = service::SealingChoice::tpm;
  f.settings.tcti = "swtpm:path=/nonexistent/tpm";
  cr_assert(f.start());
  const auto status = f.assembly->port().status();
  cr_assert_eq(status.state, "sealed-unavailable");
  cr_assert_not(status.findings.empty());
  std::optional<Status> done;
  f.assembly->port().create_root_secret(nmm::test::into(done));
  cr_assert_not(done->has_value());
  f.assembly->port().quarantine(1, nmm::test::into(done));
  cr_assert_not(done->has_value());
  std::optional<Errc> code;
  f.assembly->port().create_asr("x", {1, 2}, {},
                                [&code](const Result<std::uint64_t>& r) { code = r.error().code; });
  cr_assert(code.has_value());
  cr_assert(f.assembly->port().nodes().empty());
}

Test(assembly, two_daemons_do_not_share_a_state) {
  Fixture f;
  cr_assert(f.start());
  const auto other_loop = std::move(*io::Loop::create(f.settings.io_backend));
  const auto other = Assembly::make(f.settings, {}, *other_loop, f.random);
  cr_assert(other.has_value());
  cr_assert_eq((*other)->port().status().state, "sealed-unavailable");
}

Test(assembly, an_address_that_cannot_be_had_is_an_error) {
  Fixture f;
  f.settings.listen = *parse_endpoint("192.0.2.77:7400");
  cr_assert_not(f.start().has_value());
}

Test(assembly, its_gate_is_in_the_status) {
  Fixture f;
  f.gate = true;
  cr_assert(f.start());
  const StatusSnapshot status = f.assembly->port().status();
  if (!status.counters.contains("gate_known_ids")) {
    cr_assert_not(status.findings.empty());
    cr_skip_test("%s", status.findings.back().c_str());
  }
  cr_assert_eq(status.counters.at("gate_known_ids"), 0);
  cr_assert_eq(status.counters.at("frames_forged"), 0);
}

Test(assembly, its_probes_are_in_the_status_or_a_finding_says_why_not) {
  Fixture f;
  f.probes = true;
  cr_assert(f.start());
  const StatusSnapshot status = f.assembly->port().status();
  if (status.probes.empty()) {
    cr_assert(std::ranges::any_of(status.findings, [](const std::string& one) {
      return one.starts_with("No probes, nothing is detected locally: ");
    }));
    cr_skip_test("%s", status.findings.back().c_str());
  }
  cr_assert(status.counters.contains("probe_links"));
}

Test(assembly, without_rights_it_starts_and_says_so) {
  Fixture f;
  f.probes = true;
  std::filesystem::permissions(f.folder, std::filesystem::perms::all);
  if (::geteuid() == 0) cr_assert_eq(::seteuid(65534), 0);
  cr_assert(f.start());
  const StatusSnapshot status = f.assembly->port().status();
  cr_assert_eq(status.state, "no-root-secret");
  cr_assert(status.probes.empty());
  cr_assert(std::ranges::any_of(status.findings, [](const std::string& one) {
    return one.starts_with("No probes, nothing is detected locally: ");
  }));
  if (::getuid() == 0) cr_assert_eq(::seteuid(0), 0);
}
