#include "daemon/nmm/key_replacement.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/base/earliest.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/policy/grading.h"
#include "daemon/protocol/cbor.h"

namespace akm::nmm {
namespace {

constexpr std::size_t kAskedAtOnce = 64;
// A node that does not answer holds up nobody: its relationship is rekeyed after the install (upkeep.h).
constexpr Duration kPatience = std::chrono::seconds(10);
// One attack is many records.
constexpr Duration kPause = std::chrono::seconds(60);
// Generations in one writing, and in one turn of the loop.
constexpr std::size_t kRenewedAtOnce = 64;
// There while a replacement is under way: [class, severity, time since boot, incident].
constexpr std::string_view kRecord = "key-replacement";

std::vector<std::uint8_t> encode(const Breach& breach) {
  protocol::CborWriter writer;
  writer.array(4);
  writer.text(policy::detection_name(breach.detection));
  writer.unsigned_integer(policy::severity_of_grade(breach.grade));
  writer.unsigned_integer(static_cast<std::uint64_t>(std::max<std::int64_t>(breach.boottime_ns, 0)));
  writer.unsigned_integer(breach.incident);
  return writer.take();
}

std::optional<Breach> decode(std::span<const std::uint8_t> record) {
  protocol::CborReader reader(record);
  if (reader.array(4) != 4) return std::nullopt;
  const auto detection = policy::detection_by_name(reader.text(policy::kRuleNameBytes));
  const auto grade = policy::grade_of_severity(reader.unsigned_integer(7));
  Breach out;
  out.boottime_ns = static_cast<std::int64_t>(reader.unsigned_integer(INT64_MAX));
  out.incident = reader.unsigned_integer(UINT64_MAX);
  if (!reader.finish() || !detection || !grade) return std::nullopt;
  out.detection = *detection;
  out.grade = *grade;
  out.reported_by = "nmm";
  return out;
}

}  // namespace

KeyReplacement::KeyReplacement(Core& core, Recovery& recovery, std::function<protocol::AsrId()> root_asr)
    : core_(core), recovery_(recovery), root_asr_(std::move(root_asr)) {}

void KeyReplacement::resume() {
  const auto stored = core_.registry.store().read(kRecord);
  if (!stored) return;
  auto breach = decode(stored->reveal());
  // A record that cannot be read says as much: it was under way.
  if (!breach) breach.emplace().grade = policy::Grade::critical;
  breach->node_id = core_.root.nmm_id();
  start(*breach, core_.now());
}

/// Whoever can read our memory can end us too, before it is done.
Status KeyReplacement::remember(const Breach& breach) {
  return core_.registry.store().write(kRecord, encode(breach));
}

void KeyReplacement::begin(const Breach& breach) {
  const Instant now = core_.now();
  if (!started_ || now - *started_ >= kPause) return start(breach, now);
  if (!next_) next_ = breach;
}

void KeyReplacement::start(const Breach& breach, Instant now) {
  breach_ = breach;
  started_ = now;
  patience_ends_ = now + kPatience;
  waiting_.clear();
  asked_.clear();
  rekeyed_ = 0;
  if (const Status stored = remember(breach); !stored)
    log::error("a replacement of keys that is cut short would be forgotten: " + stored.error().message());
  if (const protocol::AsrId root = root_asr_(); root != 0) core_.post(protocol::RequestRekey{root});
  for (const auto& [node_id, node] : core_.registry.nodes()) {
    if (node.state == NodeState::active) waiting_.push_back(node_id);
    if (node.state != NodeState::prepared && node.state != NodeState::retired) exposed_.insert(node_id);
  }
  nodes_ = waiting_.size();
  ask_more();
}

void KeyReplacement::ask_more() {
  while (!waiting_.empty() && asked_.size() < kAskedAtOnce) {
    const NodeRecord* node = core_.registry.node(waiting_.front());
    waiting_.pop_front();
    if (node == nullptr) continue;
    asked_.insert(node->node_id);
    core_.post(protocol::RequestRekey{node->provisioning_asr});
  }
  if (asked_.empty()) finish();
}

bool KeyReplacement::holds_back(protocol::NodeId node_id) {
  const NodeRecord* node = core_.registry.node(node_id);
  if (!exposed_.contains(node_id) || node == nullptr) return false;
  if (!asked_.contains(node_id)) core_.post(protocol::RequestRekey{node->provisioning_asr});
  return true;
}

void KeyReplacement::rekeyed(protocol::NodeId node_id) {
  exposed_.erase(node_id);
  if (asked_.erase(node_id) == 0) return;
  ++rekeyed_;
  ask_more();
}

void KeyReplacement::finish() {
  patience_ends_.reset();
  waiting_.clear();
  asked_.clear();
  renew(breach_, true);
}

/// One that waits has all relationships before it: another one like it would add nothing. So at most one of
/// each kind waits.
void KeyReplacement::renew(const Breach& breach, bool after_keys) {
  const bool waits = std::ranges::any_of(
      renewals_, [after_keys](const Renewal& one) { return !one.begun && one.after_keys == after_keys; });
  if (waits) return;
  Renewal renewal;
  renewal.breach = breach;
  renewal.after_keys = after_keys;
  renewal.since = core_.now();
  for (const auto& [asr_id, record] : core_.registry.asrs()) {
    if (!record.deleted) renewal.left.push_back(asr_id);
  }
  renewals_.push_back(std::move(renewal));
  if (renewals_.size() == 1) renew_some();
}

void KeyReplacement::renew_some() {
  Renewal& renewal = renewals_.front();
  renewal.begun = true;
  std::set<protocol::AsrId> some;
  for (; !renewal.left.empty() && some.size() < kRenewedAtOnce; renewal.left.pop_front())
    some.insert(renewal.left.front());
  if (!some.empty()) {
    const BreachOutcome outcome = recovery_.own_breach(renewal.breach, some);
    renewal.failed = renewal.failed || outcome.failed;
    renewal.relationships += outcome.asrs.size();
    if (!outcome.reason.empty()) renewal.reason = outcome.reason;
  }
  if (!renewal.left.empty()) return;
  end(renewal);
  renewals_.pop_front();
}

void KeyReplacement::end(const Renewal& renewal) {
  if (!renewal.after_keys) return;
  if (!renewal.failed && !next_ && !patience_ends_) (void)core_.registry.store().remove(kRecord);
  core_.announce(
      "machine-keys-replaced", 4, message_id::kKeysRevoked,
      "After a breach of this NMM's machine its session keys were replaced, and every relationship "
      "gets new keys.",
      0,
      with_incident({{"nodes", std::to_string(nodes_)},
                     {"rekeyed", std::to_string(rekeyed_)},
                     {"relationships", std::to_string(renewal.relationships)},
                     {"reason", renewal.reason}},
                    renewal.breach.incident));
}

std::optional<Instant> KeyReplacement::next_deadline() const {
  Earliest next;
  next.consider(patience_ends_);
  if (next_) next.consider(*started_ + kPause);
  if (!renewals_.empty()) next.consider(renewals_.front().since);  // the next turn
  return next.at();
}

void KeyReplacement::deadline_reached(Instant now) {
  if (!renewals_.empty()) renew_some();
  if (patience_ends_ && *patience_ends_ <= now) finish();
  if (next_ && *started_ + kPause <= now) {
    const Breach breach = *next_;
    next_.reset();
    start(breach, now);
  }
}

}  // namespace akm::nmm
