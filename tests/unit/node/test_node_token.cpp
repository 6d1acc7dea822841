#include <criterion/criterion.h>

#include "keyring/token_vault.h"
#include "tests/support/node_bench.h"
#include "tests/support/softhsm_fixture.h"

using namespace akm;
using namespace akm::test;
using node::NodeState;

namespace {

UniqueFd memfd_of(std::string_view text) {
  return std::move(
      *dbus::make_sealed_memfd("pin", {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
}

struct Bench {
  Bench() {
    if (!have_softhsm()) cr_skip("%s", kNoSoftHsm);
    hsm = std::make_unique<SoftHsm>();
    node.settings.activate_automatically = false;
    node.settings.common.pkcs11_module = kSoftHsm;
  }
  void put(std::string_view label) {
    const auto bundle = protocol::encode_token_bundle(node.bundle());
    const auto put = keyring::put_in_vault(hsm->place, hsm->pin, label, bundle->reveal());
    cr_assert(put, "%s", put.error().message().c_str());
  }
  /// Asks, and does what is done aside until nothing is.
  std::optional<Status> provision(const std::string& uri = "pkcs11:token=one",
                                  std::string_view pin = "1234") {
    std::optional<Status> outcome;
    node.node->provision_from_token(uri, memfd_of(pin),
                                    [&outcome](const Status& status) { outcome = status; });
    while (!node.aside.empty()) {
      for (auto& job : std::exchange(node.aside, {})) job()();
    }
    return outcome;
  }

  NodeBench node;
  std::unique_ptr<SoftHsm> hsm;
};

}  // namespace

Test(node_token, a_bundle_on_a_token_is_used_once) {
  Bench bench;
  bench.put("a");
  bench.hsm->save("copy");
  const auto outcome = bench.provision();
  cr_assert(outcome && *outcome, "%s", outcome->error().message().c_str());
  cr_assert_eq(bench.node.state(), NodeState::provisioned);
  cr_assert(bench.node.event("provisioned") != nullptr);
  cr_assert_eq(bench.provision()->error().code, Errc::already_provisioned);
  cr_assert_eq(keyring::read_vault(bench.hsm->place, bench.hsm->pin).error().code, Errc::already_consumed);
  bench.node.node->zeroize([](const Result<std::string>&) {});
  cr_assert_eq(bench.provision()->error().code, Errc::already_consumed, "by the receipt");
  bench.hsm->restore("copy");
  cr_assert_eq(bench.provision()->error().code, Errc::already_consumed, "by the node's own memory");
  cr_assert(keyring::read_vault(bench.hsm->place, bench.hsm->pin), "what is refused stays");
}

Test(node_token, what_is_wrong_is_said_and_changes_nothing) {
  Bench bench;
  cr_assert_eq(bench.provision()->error().code, Errc::not_found);
  bench.put("another");
  cr_assert_eq(bench.provision("pkcs11:token=one", "9999")->error().code, Errc::wrong_pin);
  cr_assert_eq(bench.provision("pkcs11:token=two")->error().code, Errc::not_found);
  cr_assert_eq(bench.provision("pkcs11:token=one?pin-value=1234")->error().code, Errc::invalid_argument);
  cr_assert_eq(bench.provision("pkcs11:token=one", std::string(65, '1'))->error().code,
               Errc::invalid_argument);
  cr_assert_eq(bench.provision()->error().code, Errc::not_authentic,
               "it is of the node 'a', under another's name");
  cr_assert_eq(bench.node.state(), NodeState::unprovisioned);
  cr_assert(bench.node.store.records.empty());
  bench.node.fail_aside = true;
  cr_assert_eq(bench.provision()->error().code, Errc::busy);
}

/// A module may hang in what it was asked. The bundle that stays on the token opens nothing: its use is
/// recorded.
Test(node_token, zeroize_does_not_wait_for_the_token) {
  Bench bench;
  bench.put("a");
  std::optional<Status> outcome;
  bench.node.node->provision_from_token("pkcs11:token=one", memfd_of("1234"),
                                        [&outcome](const Status& status) { outcome = status; });
  std::exchange(bench.node.aside, {}).front()()();
  cr_assert_eq(bench.node.state(), NodeState::provisioned);
  cr_assert(!outcome);
  Result<std::string> receipt;
  bench.node.node->zeroize([&receipt](Result<std::string> line) { receipt = std::move(line); });
  cr_assert(receipt.has_value());
  cr_assert_eq(outcome->error().code, Errc::busy, "the import was given up");
  std::exchange(bench.node.aside, {}).front()()();  // the module comes back
  cr_assert_eq(bench.node.state(), NodeState::unprovisioned);
}

Test(node_token, a_token_that_is_pulled_out_after_reading_leaves_the_node_provisioned) {
  Bench bench;
  bench.put("a");
  std::optional<Status> outcome;
  bench.node.node->provision_from_token("pkcs11:token=one", memfd_of("1234"),
                                        [&outcome](const Status& status) { outcome = status; });
  auto completion = std::exchange(bench.node.aside, {}).front()();
  bench.hsm->pull_out();
  completion();
  cr_assert_eq(bench.node.state(), NodeState::provisioned);
  std::exchange(bench.node.aside, {}).front()()();
  cr_assert(outcome && *outcome);
  cr_assert(bench.node.event("bundle-not-removed") != nullptr);
}
