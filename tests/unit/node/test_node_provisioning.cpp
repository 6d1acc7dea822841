#include <criterion/criterion.h>
#include <fcntl.h>

#include <filesystem>

#include "tests/support/node_bench.h"

using namespace akm;
using namespace akm::test;
using node::NodeState;

namespace {

constexpr std::string_view kRightCode = "ABCDE-FGHJK-MNPQR-STVWX";
constexpr std::string_view kWrongCode = "00000-00000-00000-00000";

UniqueFd memfd_of(std::string_view text) {
  return std::move(
      *dbus::make_sealed_memfd("code", {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
}

/// The drive with a bundle whose scrypt is as cheap as open_bundle takes.
std::string bundle_on_drive(NodeBench& bench) {
  const auto bytes = protocol::seal_bundle(bench.bundle(), *protocol::parse_code(kRightCode), bench.random,
                                           {.n = 16384, .r = 8, .p = 1});
  return bench.folder.write("drive/a.akmbundle", std::string(bytes->begin(), bytes->end()));
}

struct Call {
  std::optional<Status> outcome;
  Done done() {
    return [this](const Status& status) { outcome = status; };
  }
};

/// Until nothing is left: reading, scrypt and consuming are one job each.
void run_aside(NodeBench& bench) {
  while (!bench.aside.empty()) {
    for (auto& job : std::exchange(bench.aside, {})) job()();
  }
}

}  // namespace

Test(node_provisioning, a_bundle_from_a_drive_is_used_once) {
  NodeBench bench;
  bench.settings.activate_automatically = false;
  const std::string path = bundle_on_drive(bench);
  const std::filesystem::path copy = bench.folder.file("copy.akmbundle");
  std::filesystem::copy_file(path, copy);
  Call call;
  bench.node->provision_from_file(path, memfd_of(kRightCode), call.done());
  cr_assert_not(call.outcome.has_value(), "scrypt is not for the loop thread");
  run_aside(bench);
  cr_assert(call.outcome.has_value() && call.outcome->has_value(), "%s",
            call.outcome->error().message().c_str());
  cr_assert_eq(bench.state(), NodeState::provisioned);
  cr_assert_not(std::filesystem::exists(path));
  cr_assert(std::filesystem::exists(bench.folder.file("drive/a.akmreceipt")));
  cr_assert(bench.event("provisioned") != nullptr);

  Call zeroized;
  bench.node->zeroize([done = zeroized.done()](const Result<std::string>& receipt) mutable {
    done(receipt ? Status{} : std::unexpected(receipt.error()));
  });
  Call again;
  bench.node->provision_from_file(copy, memfd_of(kRightCode), again.done());
  run_aside(bench);
  cr_assert_eq(again.outcome->error().code, Errc::already_consumed);
  cr_assert(std::filesystem::exists(copy), "a refused bundle is not consumed");
}

Test(node_provisioning, a_wrong_code_changes_nothing) {
  NodeBench bench;
  const std::string path = bundle_on_drive(bench);
  const auto size = std::filesystem::file_size(path);
  Call call;
  bench.node->provision_from_file(path, memfd_of(kWrongCode), call.done());
  run_aside(bench);
  cr_assert_eq(call.outcome->error().code, Errc::wrong_code);
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  cr_assert_eq(std::filesystem::file_size(path), size);
  cr_assert_eq(bench.store.records.size(), 1, "that it was tried, and nothing else");
  cr_assert(call.outcome->error().detail.starts_with("4 tries remain"), "%s",
            call.outcome->error().detail.c_str());
  Call typo;
  bench.node->provision_from_file(path, memfd_of("short"), typo.done());
  cr_assert_eq(typo.outcome->error().code, Errc::invalid_argument);
}

Test(node_provisioning, a_code_must_be_in_a_sealed_memfd) {
  NodeBench bench;
  const std::string path = bundle_on_drive(bench);
  Call call;
  bench.node->provision_from_file(path, UniqueFd(::dup(0)), call.done());
  cr_assert_not(call.outcome->has_value());
}

Test(node_provisioning, one_at_a_time) {
  NodeBench bench;
  const std::string path = bundle_on_drive(bench);
  Call first;
  Call second;
  Call direct;
  Call zeroize;
  bench.node->provision_from_file(path, memfd_of(kRightCode), first.done());
  bench.node->provision_from_file(path, memfd_of(kRightCode), second.done());
  bench.node->zeroize([done = zeroize.done()](const Result<std::string>& receipt) mutable {
    done(receipt ? Status{} : std::unexpected(receipt.error()));
  });
  cr_assert_eq(second.outcome->error().code, Errc::busy);
  cr_assert(zeroize.outcome->has_value(), "it waits for no drive");
  cr_assert_eq(first.outcome->error().code, Errc::busy);
  run_aside(bench);
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  bench.node->provision_from_file(path, memfd_of(kRightCode), first.done());
  run_aside(bench);
  cr_assert(first.outcome->has_value());
  bench.node->provision_from_file(path, memfd_of(kRightCode), second.done());
  cr_assert_eq(second.outcome->error().code, Errc::already_provisioned);
}

Test(node_provisioning, a_busy_worker_is_an_error_and_not_the_end) {
  NodeBench bench;
  const std::string path = bundle_on_drive(bench);
  bench.fail_aside = true;
  Call call;
  bench.node->provision_from_file(path, memfd_of(kRightCode), call.done());
  cr_assert_eq(call.outcome->error().code, Errc::busy);
  bench.fail_aside = false;
  bench.node->provision_from_file(path, memfd_of(kRightCode), call.done());
  run_aside(bench);
  cr_assert(call.outcome->has_value());
}

Test(node_provisioning, a_full_disk_leaves_the_node_unprovisioned_and_the_bundle_unused) {
  for (const char* what : {"asr-", "node", "used-bundles"}) {
    NodeBench bench;
    bench.store.fail_writes_of = what;
    cr_assert_eq(bench.provision().error().code, Errc::disk_full, "%s", what);
    cr_assert_eq(bench.state(), NodeState::unprovisioned);
    cr_assert(bench.node->asrs().empty());
    cr_assert(bench.keys.keys.empty());
    bench.store.fail_writes_of.reset();
    cr_assert(bench.provision().has_value(), "%s", what);
  }
}

Test(node_provisioning, without_a_hardware_value_there_is_nothing_to_bind_to) {
  NodeBench bench;
  const auto bytes = protocol::encode_direct_bundle(bench.bundle());
  Call call;
  node::Hardware none([]() -> Result<keyring::HardwareSources> { return fail(Errc::no_hardware_source); });
  bench.hardware = std::move(none);
  bench.node->provision_from_memfd(*dbus::make_sealed_memfd("bundle", bytes->reveal()), call.done());
  cr_assert_eq(call.outcome->error().code, Errc::no_hardware_source);
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
}

Test(node_provisioning, a_memfd_that_can_change_is_refused) {
  NodeBench bench;
  Call call;
  bench.node->provision_from_memfd(UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)), call.done());
  cr_assert_not(call.outcome->has_value());
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
}

Test(node_provisioning, a_bundle_for_unknown_hardware_is_used_too) {
  NodeBench bench;
  bench.unbound = true;
  bench.make_active();
  cr_assert_eq(bench.state(), NodeState::active);
  const auto asked = protocol::ActivateRequest::decode(bench.asked_bodies.at(0));
  cr_assert(asked->hardware_value == *bench.hardware.value(), "the NMM is told what to bind to");
}

Test(node_provisioning, five_wrong_codes_make_a_bundle_void_on_every_drive) {
  NodeBench bench;
  const std::string path = bundle_on_drive(bench);
  const auto attempt = [&bench](const std::string& file, std::string_view code) {
    Call call;
    bench.node->provision_from_file(file, memfd_of(code), call.done());
    run_aside(bench);
    return call.outcome->has_value() ? Errc::internal : call.outcome->error().code;
  };
  for (unsigned failed = 1; failed <= service::kBundleTries; ++failed) {
    cr_assert_eq(attempt(path, kWrongCode), Errc::wrong_code);
    if (failed == service::kBundleTries) break;
    cr_assert_eq(attempt(path, kRightCode), Errc::busy, "the next try waits");
    bench.pass(service::pause_after_tries(failed));
  }
  const std::filesystem::path copy = bench.folder.file("copy.akmbundle");
  std::filesystem::copy_file(path, copy);
  cr_assert_eq(attempt(copy, kRightCode), Errc::bundle_void);
  bench.start();
  cr_assert_eq(attempt(path, kRightCode), Errc::bundle_void);
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  cr_assert(bench.event("wrong-code") != nullptr);
}

Test(node_provisioning, what_is_no_bundle_costs_no_try) {
  NodeBench bench;
  const std::string path = bench.folder.write("a.akmbundle", "no bundle");
  for (int i = 0; i < 7; ++i) {
    Call call;
    bench.node->provision_from_file(path, memfd_of(kRightCode), call.done());
    run_aside(bench);
    cr_assert_eq(call.outcome->error().code, Errc::malformed);
  }
  cr_assert(std::filesystem::exists(path));
}

Test(node_provisioning, a_code_that_was_not_tried_costs_no_try) {
  NodeBench bench;
  const std::string path = bundle_on_drive(bench);
  for (int i = 0; i < 7; ++i) {
    Call call;
    bench.fail_aside = false;
    bench.node->provision_from_file(path, memfd_of(kRightCode), call.done());
    bench.fail_aside = true;
    run_aside(bench);
    cr_assert_eq(call.outcome->error().code, Errc::busy);
  }
  bench.fail_aside = false;
  Call call;
  bench.node->provision_from_file(path, memfd_of(kRightCode), call.done());
  run_aside(bench);
  cr_assert(call.outcome->has_value(), "%s", call.outcome->error().message().c_str());
}

Test(node_provisioning, a_right_code_makes_wrong_ones_forgotten) {
  NodeBench bench;
  const std::string path = bundle_on_drive(bench);
  Call wrong;
  bench.node->provision_from_file(path, memfd_of(kWrongCode), wrong.done());
  run_aside(bench);
  bench.pass(service::pause_after_tries(1));
  Call right;
  bench.node->provision_from_file(path, memfd_of(kRightCode), right.done());
  run_aside(bench);
  cr_assert(right.outcome->has_value(), "%s", right.outcome->error().message().c_str());
}

Test(node_provisioning, a_drive_that_is_pulled_out_after_the_use_is_said) {
  NodeBench bench;
  const std::string path = bundle_on_drive(bench);
  Call call;
  bench.node->provision_from_file(path, memfd_of(kRightCode), call.done());
  for (int i = 0; i < 2; ++i) {
    for (auto& job : std::exchange(bench.aside, {})) job()();
  }
  cr_assert_eq(bench.state(), NodeState::provisioned);
  cr_assert_not(call.outcome.has_value(), "it is not consumed yet");
  std::filesystem::remove(path);
  run_aside(bench);
  cr_assert(call.outcome->has_value());
  cr_assert(bench.event("bundle-not-removed") != nullptr);
}

Test(node_provisioning, a_bundle_for_another_machine_is_refused_and_stays_good) {
  NodeBench bench;
  const auto right = *bench.hardware.value();
  auto content = bench.bundle();
  content.check = *protocol::hardware_check(right, content.use_id);
  const auto bytes = protocol::encode_direct_bundle(content);
  const auto offer = [&] {
    Call call;
    bench.node->provision_from_memfd(*dbus::make_sealed_memfd("bundle", bytes->reveal()), call.done());
    return *call.outcome;
  };
  const auto sources = bench.sources;
  bench.hardware = node::Hardware([] { return keyring::HardwareSources{{"dmi-product-uuid", "another"}}; });
  cr_assert_eq(offer().error().code, Errc::hardware_mismatch);
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  cr_assert(bench.store.records.empty(), "nothing is changed");
  bench.hardware = node::Hardware([sources] { return sources; });
  cr_assert(offer().has_value());
}

Test(node_provisioning, a_bundle_for_another_machine_opens_to_noise) {
  NodeBench bench;
  const auto bytes = protocol::encode_direct_bundle(bench.bundle());
  bench.hardware = node::Hardware([] { return keyring::HardwareSources{{"dmi-product-uuid", "another"}}; });
  Call call;
  bench.node->provision_from_memfd(*dbus::make_sealed_memfd("bundle", bytes->reveal()), call.done());
  bench.pass(std::chrono::minutes(3));
  cr_assert_neq(bench.state(), NodeState::active);
  cr_assert_eq(bench.count(protocol::Method::activate), 0, "the NMM opens none of its frames");
}

Test(node_provisioning, an_offer_of_a_handover_ends_by_itself_and_that_is_said) {
  NodeBench bench;
  cr_assert(bench.node->offer_handover().has_value());
  bench.pass(service::kHandoverLasts - std::chrono::seconds(1));
  cr_assert(!bench.node->status().handover_fingerprint.empty());
  const std::size_t before = bench.status_changes;
  bench.pass(std::chrono::seconds(1));
  cr_assert_eq(bench.status_changes, before + 1);
  cr_assert(bench.node->status().handover_fingerprint.empty());
}
