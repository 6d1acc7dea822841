#include <criterion/criterion.h>

#include <filesystem>
#include <fstream>

#include "daemon/base/atomic_file.h"
#include "daemon/crypto/digest.h"
#include "daemon/protocol/tpm_bundle.h"
#include "tests/support/node_bench.h"
#include "tests/support/swtpm_fixture.h"

using namespace akm;
using namespace akm::test;
using node::NodeState;

namespace {

std::unique_ptr<SwTpm> software_tpm() {
  if (!have_swtpm()) cr_skip("%s", kNoSwtpm);
  return std::make_unique<SwTpm>();
}

struct Call {
  std::optional<Status> outcome;
  Done done() {
    return [this](const Status& status) { outcome = status; };
  }
  [[nodiscard]] Errc code() const {
    cr_assert(outcome.has_value() && !outcome->has_value());
    return outcome->error().code;
  }
};

/// A node with a real TPM, and an NMM that wraps to it.
struct TpmBench : NodeBench {
  explicit TpmBench(const SwTpm& machine) : NodeBench(false) {
    settings.activate_automatically = false;
    give(machine);
  }
  void give(const SwTpm& machine) {
    hardware = node::Hardware([this]() -> Result<keyring::HardwareSources> { return sources; },
                              node::tpm_ways(machine.tcti()));
  }
  void work() {
    while (!aside.empty())  // one may lead to another
      for (auto& job : std::exchange(aside, {})) job()();
  }
  node::ControlPort::TpmIdentity identity_file() {
    std::optional<Result<node::ControlPort::TpmIdentity>> out;
    node->tpm_identity([&out](auto result) { out = std::move(result); });
    cr_assert_not(out.has_value(), "a TPM is not for the loop thread");
    work();
    cr_assert(out->has_value(), "%s", out->has_value() ? "" : out->error().message().c_str());
    return std::move(**out);
  }
  std::string bundle_on_drive() {
    const auto told = protocol::NodeIdentity::decode(identity_file().file);
    cr_assert(told.has_value());
    const auto checked = protocol::check_identity(*told);
    cr_assert(checked.has_value());
    const auto bytes = protocol::seal_tpm_bundle(bundle(), *told, *checked, random);
    cr_assert(bytes.has_value());
    return folder.write("drive/a.akmbundle", std::string(bytes->begin(), bytes->end()));
  }
  Call provision(const std::string& path, const std::vector<std::uint8_t>& digest = {}) {
    Call call;
    node->provision_from_tpm_file(path, digest, call.done());
    work();
    cr_assert(call.outcome.has_value());
    return call;
  }
};

}  // namespace

Test(node_tpm, a_bundle_for_this_tpm_needs_no_code_and_is_used_once) {
  const auto machine = software_tpm();
  TpmBench bench(*machine);
  const std::string path = bench.bundle_on_drive();
  const std::filesystem::path copy = bench.folder.file("copy.akmbundle");
  std::filesystem::copy_file(path, copy);
  const Call done = bench.provision(path);
  cr_assert(done.outcome->has_value(), "%s", done.outcome->error().message().c_str());
  cr_assert_eq(bench.state(), NodeState::provisioned);
  cr_assert_not(std::filesystem::exists(path));
  cr_assert(std::filesystem::exists(bench.folder.file("drive/a.akmreceipt")));
  cr_assert_eq(bench.provision(copy).code(), Errc::already_provisioned);
  Call zeroized;
  bench.node->zeroize([done = zeroized.done()](const Result<std::string>& receipt) mutable {
    done(receipt ? Status() : std::unexpected(receipt.error()));
  });
  cr_assert_eq(bench.provision(copy).code(), Errc::already_consumed);
  cr_assert(std::filesystem::exists(copy), "a refused bundle is not consumed");
}

Test(node_tpm, the_same_files_on_another_tpm_are_refused) {
  const auto machine = software_tpm();
  const auto other = software_tpm();
  TpmBench bench(*machine);
  const std::string path = bench.bundle_on_drive();
  bench.give(*other);  // the sources of this bench do not name the TPM: only the TPM itself tells
  cr_assert_eq(bench.provision(path).code(), Errc::hardware_mismatch);
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  cr_assert(bench.store.records.empty());
  cr_assert(std::filesystem::exists(path));
  bench.give(*machine);
  cr_assert(bench.provision(path).outcome->has_value(), "nothing was spent");
}

Test(node_tpm, another_machine_with_this_tpm_is_refused) {
  const auto machine = software_tpm();
  TpmBench bench(*machine);
  const std::string path = bench.bundle_on_drive();
  bench.sources[0].second = "4c4c4544000011";
  bench.give(*machine);
  cr_assert_eq(bench.provision(path).code(), Errc::hardware_mismatch);
  cr_assert(bench.aside.empty());
}

Test(node_tpm, a_changed_bundle_is_refused_and_kept) {
  const auto machine = software_tpm();
  TpmBench bench(*machine);
  const std::string path = bench.bundle_on_drive();
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(0, std::ios::end);
  const auto middle = static_cast<std::streamoff>(file.tellg()) / 2;
  file.seekg(middle);
  const char byte = static_cast<char>(file.get());
  file.seekp(middle);
  file.put(static_cast<char>(byte ^ 1));
  file.close();
  const Call call = bench.provision(path);
  cr_assert_eq(call.code(), Errc::not_authentic, "%s", call.outcome->error().message().c_str());
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  cr_assert(std::filesystem::exists(path));
}

Test(node_tpm, a_bundle_of_somebody_else_has_another_digest) {
  const auto machine = software_tpm();
  TpmBench bench(*machine);
  const std::string path = bench.bundle_on_drive();
  const auto bytes = read_file(path, protocol::kBundleBytes);
  const auto shown = crypto::sha256({*bytes});
  (void)bench.bundle_on_drive();  // whoever has the identity makes one
  cr_assert_eq(bench.provision(path, {shown.begin(), shown.end()}).code(), Errc::not_authentic);
  cr_assert(std::filesystem::exists(path));
  std::ofstream(path, std::ios::binary) << std::string(bytes->begin(), bytes->end());
  cr_assert(bench.provision(path, {shown.begin(), shown.end()}).outcome->has_value());
}

Test(node_tpm, other_bundles_need_their_code) {
  const auto machine = software_tpm();
  TpmBench bench(*machine);
  const auto code = protocol::parse_code("ABCDE-FGHJK-MNPQR-STVWX");
  const auto bytes = protocol::seal_bundle(bench.bundle(), *code, bench.random, {.n = 16384, .r = 8, .p = 1});
  const std::string path = bench.folder.write("drive/a.akmbundle", std::string(bytes->begin(), bytes->end()));
  cr_assert_eq(bench.provision(path).code(), Errc::not_supported);
  cr_assert_eq(bench.provision(bench.folder.file("none.akmbundle")).code(), Errc::not_found);
}

Test(node_tpm, without_a_tpm_it_says_so) {
  const auto machine = software_tpm();
  TpmBench with(*machine);
  const std::string path = with.bundle_on_drive();
  with.hardware = node::Hardware([&with]() -> Result<keyring::HardwareSources> { return with.sources; });
  cr_assert_eq(with.provision(path).code(), Errc::wrong_state);
  std::optional<Errc> code;
  with.node->tpm_identity([&code](const auto& result) { code = result.error().code; });
  cr_assert(code == Errc::not_supported);
}

Test(node_tpm, the_identity_is_signed_and_names_this_machine) {
  const auto machine = software_tpm();
  TpmBench bench(*machine);
  const auto made = bench.identity_file();
  cr_assert_eq(made.fingerprint.size(), 64);
  const auto told = protocol::NodeIdentity::decode(made.file);
  cr_assert(told->hardware_value == *bench.hardware.value());
  cr_assert(protocol::check_identity(*told).has_value());
  bench.fail_aside = true;
  std::optional<Errc> code;
  bench.node->tpm_identity([&code](const auto& result) { code = result.error().code; });
  cr_assert(code == Errc::busy);
}
