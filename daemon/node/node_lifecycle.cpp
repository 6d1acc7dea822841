// Section 7: a node on changed hardware, and the end of one.
#include <algorithm>
#include <utility>

#include "daemon/base/message_ids.h"
#include "daemon/node/node.h"

namespace akm::node {
namespace {

// Until then answers on the network and on the bus have left.
constexpr Duration kLeaveAfter = std::chrono::milliseconds(500);

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out;
}

}  // namespace

/// The credentials are bound to the machine that they came to. It is said, with the sources by name, and the
/// NMM decides: that the node is active it has said of the other machine. Not stored, since each start
/// compares.
void Node::compare_hardware() {
  const auto hardware = parts_.hardware.value();
  if (!hardware || *hardware == record_->hardware_value) return;
  find_changes();
  if (state_ == NodeState::active) state_ = NodeState::provisioned;
}

void Node::find_changes() {
  const auto digests = parts_.hardware.digests();
  if (digests && !record_->sources.empty())
    changed_sources_ = protocol::changed_sources(record_->sources, *digests);
  const std::string names = changed_sources_.empty() ? "which source is not known" : joined(changed_sources_);
  const bool another =
      digests && protocol::is_another_machine(record_->sources, *digests, settings_.missing_source);
  findings_["hardware"] =
      "The hardware value is not the one that this node was provisioned with (" + names +
      (another ? "): this is another machine. If it is a copy, erase it: akmctl node zeroize. If the machine "
                 "was replaced: akmctl node rehome"
               : "). If a part was replaced: akmctl node rehome, and akmctl nmm rehome on the NMM");
  say({.name = "hardware-changed",
       .severity = 4,
       .fields = {{"sources", joined(changed_sources_)}, {"another_machine", another ? "true" : "false"}}},
      {}, findings_["hardware"]);
  if (!another || !settings_.erase_on_another_machine) return;
  // Two machines must not speak as one member; the NMM gives the groups back when it knows this one.
  shell_->post(protocol::EraseOperational{});
  findings_["another-machine"] =
      "Nothing of this node's is as it was: its relationships were erased here, so that two machines do not "
      "use "
      "one identity";
}

void Node::rehome(Done done) {
  if (!shell_) return done(fail(Errc::sealed_unavailable));
  if (!record_) return done(fail(Errc::not_provisioned));
  if (state_ == NodeState::quarantined) return done(fail(Errc::wrong_state, "the node is quarantined"));
  const auto hardware = parts_.hardware.value();
  if (!hardware) return done(std::unexpected(hardware.error()));
  if (*hardware == record_->hardware_value)
    return done(fail(Errc::wrong_state, "the hardware value is the one that the node was provisioned with"));
  if (rehome_waiters_.size() >= kWaitersMax) return done(fail(Errc::busy, "too many wait for a rehome"));
  NodeRecord changed = *record_;
  changed.rehome_asked = true;
  if (const Status saved = records_->save(changed); !saved) return done(saved);
  record_ = std::move(changed);
  rehome_waiters_.push_back(std::move(done));
  activation_due_.reset();
  try_activation();
}

/// The NMM has sent a serial that is bound to what this machine said of itself.
void Node::settle_in() {
  if (!asks_rehome()) return;
  const auto hardware = parts_.hardware.value();
  const auto digests = parts_.hardware.digests();
  if (!hardware || !digests) return;
  NodeRecord changed = *record_;
  changed.hardware_value = *hardware;
  changed.sources = *digests;
  changed.rehome_asked = false;
  if (const Status saved = records_->save(changed); !saved) return;
  record_ = std::move(changed);
  changed_sources_.clear();
  for (const char* name : {"hardware", "another-machine", "rehome"}) findings_.erase(name);
  say({.name = "rehomed", .severity = 5, .fields = {}}, {},
      "The NMM has bound this node to its present hardware");
  activation_due_ = parts_.now();
  status_changed();
}

Status Node::store_receipt_key(const protocol::ChainState& failsafe) {
  AKM_ASSIGN(const protocol::ReceiptKey key, protocol::receipt_key(failsafe));
  return records_->save_receipt_key(key);
}

/// The record goes first: what a crash leaves after it has no owner, and goes at the next start.
protocol::ZeroizeReceipt Node::erase_all_but_provisioning(Status& first) {
  protocol::ZeroizeReceipt receipt;
  if (record_) {
    receipt.node_id = record_->identity.node_id;
    receipt.nmm_id = record_->identity.nmm_id;
    receipt.serial = record_->identity.serial;
  }
  receipt.incarnation = parts_.engine.incarnation;
  const auto note = [&](std::string what, const Status& status) {
    (status ? receipt.erased : receipt.failed).push_back(std::move(what));
    if (first && !status) first = status;
  };
  if (import_) import_->abandon({Errc::busy, "the node was zeroized meanwhile"});
  exports_.revoke_all();
  if (parts_.keys != nullptr) note("kernel-keyring", parts_.keys->revoke_all());
  link_.abandon();
  note("node-record", records_->erase());
  if (const Status gone = rules_.forget(); !gone && first) first = gone;
  if (const Status gone = parts_.store->remove(policy::kPolicyMemory); !gone && first) first = gone;
  const std::vector<protocol::AsrId> groups = operational();
  struct Outcome {
    std::size_t open;
    Status first;
  };
  // Within a step of the engine (the NMM asks) they come after it, and after the receipt.
  const auto outcome = std::make_shared<Outcome>(Outcome{groups.size(), {}});
  for (const protocol::AsrId id : groups) {
    shell_->post(protocol::RetireAsr{id}, [outcome](const Status& status) {
      --outcome->open;
      if (outcome->first && !status) outcome->first = status;
    });
  }
  std::string relationships = "relationships:" + std::to_string(groups.size());
  if (outcome->open != 0) {
    receipt.last.push_back(std::move(relationships));
  } else {
    note(std::move(relationships), outcome->first);
  }
  note("damaged-records", records_->erase_damaged());
  return receipt;
}

Result<std::string> Node::sealed_receipt(const protocol::ZeroizeReceipt& receipt,
                                         const Result<protocol::ReceiptKey>& key) {
  if (!key) return std::string();
  return receipt.seal(*key);
}

/// What an answer still needed, and what the daemon forgets.
void Node::erase_rest() {
  for (const protocol::AsrId id : shell_->engine().relationships()) shell_->post(protocol::RetireAsr{id});
  link_.use(0);
  record_.reset();
  for (auto* due : {&activation_due_, &heartbeat_due_, &report_due_, &save_due_, &memory_due_}) due->reset();
  findings_.clear();
  changed_sources_.clear();
  resync_not_before_.clear();
  set_state(NodeState::unprovisioned);
  drives_changed();
}

void Node::leave() {
  leaving_ = true;
  findings_["anew"] = kStartsAnew;
  leave_due_ = parts_.now() + kLeaveAfter;
}

/// The receipt; empty of a node that had nothing to erase.
Result<std::string> Node::erase_everything() {
  Status first;
  const auto key = records_->receipt_key();
  protocol::ZeroizeReceipt receipt = erase_all_but_provisioning(first);
  erase_rest();
  receipt.erased.emplace_back("provisioning-relationship");
  if (parts_.erase_storage) {
    const service::Erased storage = parts_.erase_storage(false);
    receipt.erased.insert(receipt.erased.end(), storage.gone.begin(), storage.gone.end());
    receipt.failed.insert(receipt.failed.end(), storage.failed.begin(), storage.failed.end());
    if (first) first = storage.first;
    leave();
  }
  erase_failed(receipt, first);
  const auto line = receipt.node_id == 0 ? std::string() : sealed_receipt(receipt, key);
  // Without a receipt there is nothing else that could tell of it.
  if (!first && line.value_or("").empty()) return std::unexpected(first.error());
  return line;
}

/// Said once: the daemon starts anew, and its findings are gone then.
void Node::erase_failed(const protocol::ZeroizeReceipt& receipt, const Status& first) {
  if (first) return;
  findings_["zeroize"] = "Not everything could be erased: " + first.error().message();
  say({.name = "zeroize-failed",
       .severity = 2,
       .fields = {{"error", first.error().message()}, {"failed", joined(receipt.failed)}}},
      {}, "Not everything could be erased");
}

void Node::zeroize(Reply<std::string> reply) {
  if (!shell_) return reply(fail(Errc::sealed_unavailable));
  reply(erase_everything());
}

/// The answer carries the receipt, and needs the provisioning relationship: that one, and the storage key, go
/// right after it. A crash between leaves a relationship without an owner, which goes at the next start.
void Node::command_zeroize(protocol::RequestReceived& request) {
  Status first;
  const auto key = records_->receipt_key();
  const protocol::RequestReceived asked = head_of(request);
  protocol::ZeroizeReceipt receipt = erase_all_but_provisioning(first);
  receipt.last.emplace_back("provisioning-relationship");
  if (parts_.erase_storage) receipt.last.emplace_back("storage-key");
  const auto line = sealed_receipt(receipt, key);
  auto rest = [this, receipt, first](const Status&) mutable {
    erase_rest();
    if (parts_.erase_storage) {
      const service::Erased storage = parts_.erase_storage(false);
      receipt.failed.insert(receipt.failed.end(), storage.failed.begin(), storage.failed.end());
      if (first) first = storage.first;
      leave();
    }
    erase_failed(receipt, first);
  };
  // The receipt names what failed; without one the status has to.
  const bool told = !line.value_or("").empty();
  respond(asked, told ? Status{} : first, std::move(rest),
          protocol::ZeroizeResponse{line.value_or(std::string())}.encode());
}

void Node::generalize(Done done) {
  if (!shell_) return done(fail(Errc::sealed_unavailable));
  if (!parts_.erase_storage) return done(fail(Errc::not_supported));
  Status first;
  (void)erase_all_but_provisioning(first);
  erase_rest();
  if (!first) return done(first);
  const service::Erased storage = parts_.erase_storage(true);
  // Also when it failed part-way: the open store is of no use any more.
  leave();
  done(storage.first);
}

}  // namespace akm::node
