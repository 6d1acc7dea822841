#include <criterion/criterion.h>

#include "tests/support/node_bench.h"

using namespace akm;
using namespace akm::test;
using node::NodeState;
using protocol::Method;

namespace {

/// A member with two sources, of which one is another at the next start.
struct Moved : NodeBench {
  explicit Moved(bool all = false) {
    sources = {{"dmi-product-uuid", "4c4c4544000010"}, {"dmi-board-serial", "B1"}};
    hardware = node::Hardware([this]() -> Result<keyring::HardwareSources> { return sources; });
    start_nmm();
    make_member();
    sources[1].second = "B2";
    if (all) sources[0].second = "4c4c4544000099";
    hardware = node::Hardware([this]() -> Result<keyring::HardwareSources> { return sources; });
    answer_status = protocol::ControlStatus::hardware_mismatch;
    start();
  }
  Status rehome() {
    Status out = fail(Errc::internal, "no answer");
    node->rehome([&out](const Status& status) { out = status; });
    pass(std::chrono::seconds(1));
    return out;
  }
  protocol::ActivateRequest last_activation() {
    for (std::size_t i = asked.size(); i-- > 0;) {
      if (asked[i] == Method::activate) return *protocol::ActivateRequest::decode(asked_bodies[i]);
    }
    return {};
  }
};

}  // namespace

Test(node_lifecycle, a_changed_source_is_named) {
  Moved bench;
  cr_assert(bench.node->status().changed_sources == std::vector<std::string>{"dmi-board-serial changed"});
  cr_assert_eq(bench.event("hardware-changed")->fields.at("sources"), "dmi-board-serial changed");
  cr_assert_eq(bench.state(), NodeState::provisioned);
  cr_assert_eq(bench.node->asrs().size(), 2U, "a replaced part takes no group away");
  bench.pass(std::chrono::seconds(1));
  cr_assert(!bench.last_activation().rehome, "nobody has said that it is the same machine");
  cr_assert_eq(bench.last_activation().machine->sources.size(), 2U);
}

Test(node_lifecycle, another_machine_keeps_no_group) {
  Moved bench(true);
  cr_assert_eq(bench.node->asrs().size(), 1U, "only the provisioning relationship is left");
  cr_assert_eq(bench.event("hardware-changed")->fields.at("another_machine"), "true");
}

Test(node_lifecycle, rehome_asks_and_the_bound_serial_settles_it) {
  Moved bench;
  bench.answer_status = protocol::ControlStatus::not_activated;  // noted
  cr_assert(bench.rehome().has_value());
  cr_assert(bench.last_activation().rehome);
  cr_assert_eq(bench.state(), NodeState::provisioned);
  bench.start();  // it goes on asking after a restart
  bench.pass(std::chrono::seconds(2));
  cr_assert(bench.last_activation().rehome);
  bench.answer_status = protocol::ControlStatus::ok;
  ++bench.identity.serial;
  protocol::InstallRequest install;
  install.asr = bench.provisioning_asr();
  install.index = protocol::kNodeIndex;
  install.immediate = true;
  install.retire = 1;
  bench.feed_nmm(protocol::InstallAsr{bench.provisioning_asr(), protocol::kNmmIndex, false, 0});
  bench.install(install);
  bench.pass(std::chrono::seconds(2));
  cr_assert_eq(bench.state(), NodeState::active);
  cr_assert(bench.node->status().changed_sources.empty());
  bench.start();
  cr_assert_eq(bench.state(), NodeState::active, "the new value is the one that counts");
}

Test(node_lifecycle, a_rehome_during_an_activation_is_answered_when_the_nmm_has_heard_of_it) {
  Moved bench;
  bench.answer_status = protocol::ControlStatus::not_activated;
  bench.node->deadline_reached();  // its request is on the way, and says nothing of a rehome
  std::optional<Status> outcome;
  bench.node->rehome([&](const Status& status) {
    outcome = status;
    cr_assert(bench.last_activation().rehome);
  });
  const std::size_t before = bench.count(Method::activate);
  bench.settle();
  cr_assert(outcome && *outcome);
  cr_assert_eq(bench.count(Method::activate), before + 2);
}

Test(node_lifecycle, so_many_may_wait_for_a_rehome) {
  Moved bench;
  bench.answer = false;
  std::vector<Errc> answers;
  for (std::size_t i = 0; i <= node::kWaitersMax; ++i) {
    bench.node->rehome([&](const Status& status) { answers.push_back(status.error().code); });
    bench.node->activate([&](const Status& status) { answers.push_back(status.error().code); });
  }
  cr_assert(answers == std::vector<Errc>({Errc::busy, Errc::busy}));
}

Test(node_lifecycle, an_unchanged_machine_has_nothing_to_ask) {
  NodeBench bench;
  Status out;
  bench.node->rehome([&out](const Status& status) { out = status; });
  cr_assert_eq(out.error().code, Errc::not_provisioned);
  bench.make_active();
  bench.node->rehome([&out](const Status& status) { out = status; });
  cr_assert_eq(out.error().code, Errc::wrong_state);
}

Test(node_lifecycle, the_receipt_opens_with_the_nmms_key) {
  NodeBench bench;
  bench.make_member();
  const auto key = *protocol::receipt_key(bench.chains()[protocol::kChainCount - 1]);
  std::string receipt;
  bench.node->zeroize([&receipt](Result<std::string> line) { receipt = *line; });
  cr_assert(protocol::check_receipt(receipt, key).has_value(), "%s", receipt.c_str());
  cr_assert(receipt.contains(R"("relationships:1")"));
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
}

Test(node_lifecycle, the_nmm_gets_a_receipt_before_the_last_is_gone) {
  NodeBench bench;
  bench.make_member();
  const auto key = *protocol::receipt_key(bench.chains()[protocol::kChainCount - 1]);
  bench.ask(Method::zeroize, protocol::empty_body());
  cr_assert(bench.last_answer() == protocol::ControlStatus::ok);
  const auto response = protocol::ZeroizeResponse::decode(bench.answers.back().body);
  cr_assert(protocol::check_receipt(response->receipt, key).has_value());
  cr_assert(response->receipt.contains(R"("last":["relationships:1","provisioning-relationship"])"));
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  cr_assert(bench.node->asrs().empty());
}

Test(node_lifecycle, a_stale_serial_changes_no_receipt) {
  NodeBench bench;
  bench.make_member();
  const auto key = *protocol::receipt_key(bench.chains()[protocol::kChainCount - 1]);
  protocol::InstallRequest stale;
  stale.asr = bench.provisioning_asr();
  for (protocol::ChainState& chain : stale.asr.chains)
    std::ranges::fill(chain.seed.reveal_mutable(), std::uint8_t{9});
  stale.index = protocol::kNodeIndex;
  stale.immediate = true;
  bench.install(stale);
  cr_assert(bench.last_answer() != protocol::ControlStatus::ok);
  std::string receipt;
  bench.node->zeroize([&receipt](Result<std::string> line) { receipt = line.value_or(""); });
  cr_assert(protocol::check_receipt(receipt, key).has_value(), "%s", receipt.c_str());
}

Test(node_lifecycle, generalize_needs_a_storage_to_erase) {
  NodeBench bench;
  Status out;
  bench.node->generalize([&out](const Status& status) { out = status; });
  cr_assert_eq(out.error().code, Errc::not_supported);
}

Test(node_lifecycle, what_was_generalized_in_part_starts_anew_all_the_same) {
  NodeBench bench;
  bench.erase_storage = [](bool mark) -> service::Erased {
    cr_assert(mark);
    return {{}, {"secure-element"}, fail(Errc::tpm_failed, "test")};
  };
  bench.start();
  bench.make_member();
  Status out;
  bench.node->generalize([&out](const Status& status) { out = status; });
  cr_assert_eq(out.error().code, Errc::tpm_failed);
  ++bench.identity.serial;
  bench.use_id = 2;
  cr_assert_eq(bench.provision().error().code, Errc::busy, "its key may be gone");
}

/// The storage key is gone: what came now would be lost, and its bundle with it.
Test(node_lifecycle, nothing_is_taken_while_the_daemon_is_about_to_start_anew) {
  NodeBench bench;
  bench.erase_storage = [](bool) -> service::Erased { return {{"key"}, {}, {}}; };
  bench.start();
  bench.make_member();
  bench.node->zeroize([](const Result<std::string>& receipt) { cr_assert(receipt.has_value()); });
  ++bench.identity.serial;
  bench.use_id = 2;
  cr_assert_eq(bench.provision().error().code, Errc::busy);
  bench.pass(std::chrono::seconds(5));
  cr_assert_eq(bench.provision().error().code, Errc::busy, "also when the new start did not come");
}

Test(node_lifecycle, what_the_disk_keeps_is_not_in_the_receipt_as_erased) {
  NodeBench bench;
  bench.make_member();
  bench.answer_status = protocol::ControlStatus::ok;
  std::string line;
  bench.node->zeroize([&line](Result<std::string> receipt) { line = std::move(*receipt); });
  cr_assert(line.find("relationships:1") != std::string::npos, "%s", line.c_str());
}

/// The rest of it is true all the same, and the operator is to know what is left.
Test(node_lifecycle, a_receipt_names_what_could_not_be_erased) {
  NodeBench bench;
  bench.erase_storage = [](bool) -> service::Erased {
    return {{"records:3"}, {"secure-element"}, fail(Errc::timed_out, "test")};
  };
  bench.start();
  bench.make_member();
  const auto key = *protocol::receipt_key(bench.chains()[protocol::kChainCount - 1]);
  std::string line;
  bench.node->zeroize([&line](Result<std::string> receipt) { line = receipt.value_or(""); });
  cr_assert(protocol::check_receipt(line, key).has_value(), "%s", line.c_str());
  cr_assert(line.contains(R"("failed":["secure-element"])") && line.contains("records:3"), "%s",
            line.c_str());
  cr_assert_eq(bench.event("zeroize-failed")->fields.at("failed"), "secure-element");
}

Test(node_lifecycle, without_a_receipt_the_failure_is_the_answer) {
  NodeBench bench;
  bench.erase_storage = [](bool) -> service::Erased {
    return {{}, {"records"}, fail(Errc::read_only, "test")};
  };
  bench.start();
  Errc code{};
  bench.node->zeroize([&code](const Result<std::string>& receipt) { code = receipt.error().code; });
  cr_assert_eq(code, Errc::read_only);
}

/// The thread aside may be in a module that never answers.
Test(node_lifecycle, a_drive_that_hangs_holds_up_no_zeroize) {
  NodeBench bench;
  bench.erase_storage = [](bool) -> service::Erased { return {{"key"}, {}, {}}; };
  bench.start();
  std::optional<Errc> provisioned;
  bench.node->provision_from_tpm_file(bench.folder.file("none"), {},
                                      [&](const Status& status) { provisioned = status.error().code; });
  cr_assert_eq(bench.aside.size(), 1U);
  bool erased = false;
  bench.node->zeroize([&erased](const Result<std::string>& receipt) { erased = receipt.has_value(); });
  cr_assert(erased);
  cr_assert(provisioned == Errc::busy, "who waited for it is answered");
  provisioned.reset();
  bench.aside.front()()();  // it comes back after all
  cr_assert_not(provisioned.has_value());
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
}
