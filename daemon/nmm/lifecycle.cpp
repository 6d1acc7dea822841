#include "daemon/nmm/lifecycle.h"

#include <algorithm>

#include "daemon/base/clean_text.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/protocol/cbor.h"
#include "daemon/protocol/control_body.h"
#include "daemon/protocol/zeroize_receipt.h"

namespace akm::nmm {
namespace {

using Facts = std::vector<std::pair<std::string, std::string>>;

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out;
}

template <typename Bytes>
std::string hex_or_unknown(const Bytes& bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; }) ? "not known" : hex(bytes);
}

void add_witness(Facts& facts, const std::string& who, const Witness& witness, std::uint64_t now_s) {
  facts.emplace_back(who + ": what", witness.what);
  facts.emplace_back(who + ": heard at", witness.peer);
  facts.emplace_back(who + ": when", std::to_string(now_s - std::min(now_s, witness.at_s)) + " s ago");
  facts.emplace_back(who + ": hardware value", hex_or_unknown(witness.hardware_value));
  for (const protocol::SourceDigest& source : witness.machine.sources)
    facts.emplace_back(who + ": " + source.name, hex(std::span(source.digest).first(8)));
  facts.emplace_back(who + ": start",
                     witness.machine.start == 0 ? "not known" : std::to_string(witness.machine.start));
  facts.emplace_back(who + ": boot id", hex_or_unknown(witness.machine.boot_id));
  facts.emplace_back(who + ": machine id digest", hex_or_unknown(witness.machine.machine));
}

}  // namespace

Lifecycle::Lifecycle(Core& core, Provisioner& provisioner, Recovery& recovery)
    : core_(core), provisioner_(provisioner), recovery_(recovery) {
  core_.departures.on_zeroized(
      [this](protocol::NodeId node_id, std::span<const std::uint8_t> body) { zeroized(node_id, body); });
}

void Lifecycle::wait(protocol::NodeId node_id, Done done) {
  const auto patience = std::chrono::seconds(core_.settings.policy.control_deadline_s);
  waiters_.add(node_id, core_.now() + patience, std::move(done));
}

Status Lifecycle::next_serial(protocol::NodeId node_id, const protocol::HardwareValue& hardware) {
  AKM_TRY(provisioner_.bind(node_id, hardware));
  const NodeRecord* node = core_.registry.node(node_id);
  core_.announce(
      "node-reprovisioned", 5, message_id::kStateChanged,
      "The next serial of a node's credentials is on its way to it.", 0,
      {{"node", node->name}, {"node_id", hex_id(node_id)}, {"serial", std::to_string(node->serial)}});
  core_.status_changed();
  return {};
}

/// The next serial is for the machine that was activated. Where another one has its place, it would be locked
/// out: under the serial that it has nobody answers it any more.
Status Lifecycle::check_single(const NodeRecord& node) {
  const bool heard_since = node.last_beat.ns != 0 && node.last_beat > node.other_seen;
  if (!node.rehome_asked && (!node.other || heard_since)) return {};
  return fail(Errc::wrong_state, (node.rehome_asked ? node.name + " asks from another machine"
                                                    : "another machine was heard last as " + node.name) +
                                     ": akmctl nmm rehome " + node.name + " (akmctl nmm node " + node.name +
                                     " shows both)");
}

void Lifecycle::reprovision(protocol::NodeId node_id, Done done) {
  const NodeRecord* node = core_.registry.node(node_id);
  if (node == nullptr) return done(fail(Errc::not_found, "node " + hex_id(node_id)));
  if (node->activated_serial == 0) return done(fail(Errc::not_activated, node->name));
  if (node->state == NodeState::retired) return done(fail(Errc::wrong_state, node->name + " is retired"));
  if (const Status single = check_single(*node); !single) return done(single);
  // With one on its way, or in a bundle that is out, the numbers would run on.
  const bool pending = node->activated_serial != node->serial;
  if (pending && !node->bind_pending)
    return done(fail(Errc::wrong_state, "a bundle with the next serial of " + node->name + " is out"));
  if (!node->is_bound())
    return done(fail(Errc::wrong_state, node->name + " is not bound to its hardware yet"));
  const Status sent =
      pending ? provisioner_.send_binding(node_id) : next_serial(node_id, node->hardware_value);
  if (!sent) return done(sent);
  wait(node_id, std::move(done));
}

/// A copy of the node's state can ask as well as the node: it holds the same keys. What it cannot do is to be
/// seen twice by the operator, to show another value than its own, and to keep the original silent.
Status Lifecycle::check_rehome(const NodeRecord& node, std::span<const std::uint8_t> hardware_value) const {
  if (!node.rehome_asked || !node.other)
    return fail(Errc::wrong_state, node.name + " has not asked: on the node, akmctl node rehome");
  if (!equal_in_constant_time(node.other->hardware_value, hardware_value)) {
    return fail(Errc::hardware_mismatch, "it asked with " + hex(node.other->hardware_value) +
                                             "; compare with akmctl node identity on the node");
  }
  if (node.last_beat.ns != 0 && node.last_beat > node.other_seen) {
    return fail(Errc::wrong_state, "the machine that was activated is heard at " + node.beat_peer +
                                       " while another asks from " + node.other->peer +
                                       ": two machines speak as " + node.name +
                                       "; switch one off, or akmctl nmm retire " + node.name);
  }
  return {};
}

void Lifecycle::rehome(protocol::NodeId node_id, std::span<const std::uint8_t> hardware_value, Done done) {
  const NodeRecord* node = core_.registry.node(node_id);
  if (node == nullptr) return done(fail(Errc::not_found, "node " + hex_id(node_id)));
  if (const Status allowed = check_rehome(*node, hardware_value); !allowed) return done(allowed);
  protocol::HardwareValue hardware{};
  std::ranges::copy(hardware_value, hardware.begin());
  NodeRecord next = *node;
  next.rehome_asked = false;
  next.attestation_key.clear();  // the part may have been the TPM
  next.pcr_digest.reset();
  if (const Status stored = core_.put(std::move(next)); !stored) return done(stored);
  if (const Status sent = next_serial(node_id, hardware); !sent) return done(sent);
  wait(node_id, std::move(done));
}

void Lifecycle::heard(protocol::NodeId node_id) {
  const NodeRecord* node = core_.registry.node(node_id);
  if (node == nullptr || node->state == NodeState::retired) return;
  if (node->bind_pending) {
    const auto view = core_.shell.engine().view(node->provisioning_asr);
    if (!view || view->description.generation != node->serial) return;
    NodeRecord next = *node;
    next.activated_serial = next.serial;
    next.bind_pending = false;
    next.prior.reset();
    if (!core_.put(std::move(next))) return;  // the next time that it is heard is as good
  }
  for (Done& done : waiters_.take(node_id)) done({});
}

void Lifecycle::deadline_reached(Instant now) {
  for (auto& [node_id, done] : waiters_.take_late(now))
    done(fail(Errc::timed_out, "no answer yet from " + core_.name_of(node_id) + "; it goes on by itself"));
}

Status Lifecycle::take_out(protocol::NodeId node_id, bool forget) {
  const std::set<protocol::AsrId> asrs = core_.registry.asrs_of(node_id);
  if (!asrs.empty()) AKM_TRY(recovery_.put_out(node_id, asrs));
  NodeRecord next = *core_.registry.node(node_id);
  next.state = NodeState::retired;
  next.quarantine_pending = false;
  next.bind_pending = false;
  next.evicted_from.clear();
  next.rehome_asked = false;
  next.zeroize_pending = !forget && next.activated_serial != 0 && next.receipt.empty();
  AKM_TRY(core_.put(std::move(next)));
  core_.departures.cancel_quarantine(node_id);
  return {};
}

void Lifecycle::retire(protocol::NodeId node_id, bool forget, Done done) {
  const NodeRecord* node = core_.registry.node(node_id);
  if (node == nullptr) return done(fail(Errc::not_found, "node " + hex_id(node_id)));
  if (const Status out = take_out(node_id, forget); !out) return done(out);
  node = core_.registry.node(node_id);
  core_.announce("node-retired", 5, message_id::kAsrRetired, "A node is retired.", 0,
                 {{"node", node->name}, {"node_id", hex_id(node_id)}, {"forgotten", forget ? "yes" : "no"}});
  core_.status_changed();
  if (!node->zeroize_pending) {
    end(*node);
    return done({});
  }
  core_.departures.zeroize(node_id, core_.now());
  wait(node_id, std::move(done));
}

/// Nothing is told to it any more, and nothing of it is heard.
void Lifecycle::end(const NodeRecord& node) {
  const protocol::NodeId node_id = node.node_id;
  std::vector<protocol::AsrId> told{node.provisioning_asr};
  core_.post(protocol::RetireAsr{node.provisioning_asr});
  for (const auto& [asr_id, record] : core_.registry.asrs()) {
    if (record.leaving.contains(node_id)) told.push_back(asr_id);
  }
  for (const protocol::AsrId asr_id : told) core_.departures.cancel(node_id, asr_id);
}

/// The receipt is checked with the key of the serial that the node was on.
void Lifecycle::zeroized(protocol::NodeId node_id, std::span<const std::uint8_t> body) {
  const NodeRecord* node = core_.registry.node(node_id);
  const auto response = protocol::ZeroizeResponse::decode(body);
  if (node == nullptr) return;
  Status checked = fail(Errc::malformed);
  const protocol::Derivation newest{node->serial, node->root, node->hardware_value};
  for (const protocol::Derivation& one : {newest, node->prior.value_or(newest)}) {
    NodeRecord at = *node;
    at.serial = one.serial;
    at.root = one.root;
    at.hardware_value = one.hardware_value;
    const auto key = provisioner_.receipt_key(at);
    if (!checked && response && key) checked = protocol::check_receipt(response->receipt, *key);
  }
  NodeRecord next = *node;
  next.zeroize_pending = false;
  next.receipt = response && is_clean_text(response->receipt) ? response->receipt : "";
  const std::string receipt = next.receipt;
  (void)core_.put(std::move(next));
  const bool all = !checked || receipt.contains("\"failed\":[]");
  core_.announce("node-zeroized", checked && all ? 5 : 4, message_id::kAsrRetired,
                 !checked ? "A node has erased itself, without a receipt that can be checked."
                 : all    ? "A node has erased itself; its receipt is genuine."
                       : "A node has erased itself in part; its receipt is genuine, and names what is left.",
                 0, {{"node", core_.name_of(node_id)}, {"node_id", hex_id(node_id)}, {"receipt", receipt}});
  end(*core_.registry.node(node_id));
  core_.status_changed();
  for (Done& done : waiters_.take(node_id)) done({});
}

Result<Facts> Lifecycle::describe(protocol::NodeId node_id) const {
  const NodeRecord* node = core_.registry.node(node_id);
  if (node == nullptr) return fail(Errc::not_found, "node " + hex_id(node_id));
  const std::uint64_t now_s = core_.clock.seconds(core_.now());
  Facts facts{{"Node", node->name},
              {"Node id", hex_id(node_id)},
              {"State", std::string(node_state_name(node->state))},
              {"Serial", std::to_string(node->serial)},
              {"Activated serial", std::to_string(node->activated_serial)},
              {"Hardware value", hex_or_unknown(node->hardware_value)},
              {"Endpoint", node->peer}};
  if (node->bind_pending) facts.emplace_back("Pending", "the next serial is on its way to it");
  if (node->zeroize_pending) facts.emplace_back("Pending", "it has not confirmed that it is erased");
  if (!node->receipt.empty()) facts.emplace_back("Receipt", node->receipt);
  if (node->self) add_witness(facts, "Activated machine", *node->self, now_s);
  if (node->other) {
    add_witness(facts, "Another machine", *node->other, now_s);
    const bool both =
        node->self && !node->self->machine.sources.empty() && !node->other->machine.sources.empty();
    if (both) {
      const auto& before = node->self->machine.sources;
      const auto& now = node->other->machine.sources;
      facts.emplace_back("Difference", joined(protocol::changed_sources(before, now)));
      if (protocol::is_another_machine(before, now))
        facts.emplace_back("Judgement", "nothing is the same: this is another machine, not a replaced part");
    }
    facts.emplace_back("Way out", node->rehome_asked
                                      ? "it asks to be taken for the activated one: akmctl nmm rehome " +
                                            node->name + "; or akmctl nmm retire " + node->name
                                      : "switch one of them off and erase it: akmctl node zeroize");
  }
  return facts;
}

}  // namespace akm::nmm
