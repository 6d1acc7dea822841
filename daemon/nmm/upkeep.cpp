#include "daemon/nmm/upkeep.h"

#include <algorithm>
#include <chrono>

#include "daemon/base/earliest.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"

namespace akm::nmm {
namespace {

constexpr Duration kRekeyLeast = std::chrono::milliseconds(500);
constexpr Duration kRekeyMost = std::chrono::seconds(5);
constexpr Duration kBusyPause = std::chrono::seconds(1);
constexpr Duration kRenewPause = std::chrono::seconds(60);
constexpr Duration kUnobserved = std::chrono::minutes(10);  // from an impaired sensor to silence
constexpr std::size_t kRekeysPerTurn = 64;
constexpr std::size_t kRenewalsPerTurn =
    1;  // each draws and stores: an NMM that was away renews one after the other
constexpr std::size_t kSilentPerTurn = 1024;

}  // namespace

Duration Upkeep::jitter(Duration least, Duration most) {
  const auto drawn = random_u32(core_.random);
  const auto span = static_cast<std::uint64_t>((most - least).count());
  return least + Duration(static_cast<std::int64_t>(drawn ? (span >> 16) * (*drawn >> 16) : 0));
}

Duration Upkeep::patience() const {
  return std::chrono::seconds(core_.settings.policy.heartbeat_interval_s) * core_.settings.missed_heartbeats;
}

void Upkeep::resume(Instant now) {
  for (const auto& [node_id, node] : core_.registry.nodes()) {
    if (node.state == NodeState::active) silence_.set(node_id, now + patience());
  }
  for (const auto& [asr_id, record] : core_.registry.asrs()) {
    if (record.deleted) continue;
    plan_renewal(record, now);
    if (!record.rotation_pending) continue;
    for (const protocol::Member& member : record.description.roster) rekey_provisioning(member.node_id, now);
  }
}

/// By the age of the generation.
void Upkeep::plan_renewal(const AsrRecord& record, Instant now) {
  const std::uint64_t present_s = core_.clock.seconds(now);
  const std::uint64_t interval_s = record.description.policy.renew_interval_s;
  const std::uint64_t age_s = present_s - std::min(present_s, record.installed_at_s);
  const std::uint64_t left_s = interval_s - std::min(interval_s, age_s);
  renewals_.set(record.description.id, now + std::chrono::seconds(left_s) + jitter(kRekeyMost, kRenewPause));
}

void Upkeep::policy_set(protocol::AsrId asr_id, Instant now) {
  const AsrRecord* record = core_.registry.asr(asr_id);
  if (record != nullptr && !record->deleted) plan_renewal(*record, now);
}

void Upkeep::heard(protocol::NodeId node_id, Instant now) {
  silence_.set(node_id, now + patience());
}

void Upkeep::renewed(protocol::AsrId asr_id, Instant now) {
  const AsrRecord* record = core_.registry.asr(asr_id);
  if (record == nullptr || record->deleted) {
    renewals_.clear(asr_id);
    return;
  }
  const Duration interval = std::chrono::seconds(record->description.policy.renew_interval_s);
  renewals_.set(asr_id, now + jitter(interval * 9 / 10, interval));
}

void Upkeep::rekey_provisioning(protocol::NodeId node_id, Instant now) {
  if (!core_.settings.policy.rotate_provisioning_after_install || rekeys_.contains(node_id)) return;
  rekeys_.set(node_id, now + jitter(kRekeyLeast, kRekeyMost));
}

void Upkeep::reach(protocol::NodeId node_id, Instant now) {
  heard(node_id, now);
  if (!rekeys_.contains(node_id)) rekeys_.set(node_id, now + jitter(kRekeyLeast, kRekeyMost));
}

void Upkeep::provisioning_rekeyed(protocol::NodeId node_id) {
  if (rekeying_.erase(node_id) == 0) return;  // by an interval of its own, perhaps before the install
  const std::set<protocol::AsrId> asrs = core_.registry.asrs_of(node_id);
  for (const protocol::AsrId asr_id : asrs) {
    const AsrRecord* record = core_.registry.asr(asr_id);
    const Rollout* rollout = core_.generations.rollout(asr_id);
    const bool installed = rollout == nullptr || rollout->has_installed(node_id);
    if (record != nullptr && record->rotation_pending && installed) rotated(*record, node_id);
  }
}

void Upkeep::rotated(const AsrRecord& record, protocol::NodeId node_id) {
  Rotated& present = rotated_[record.description.id];
  if (present.generation != record.description.generation) present = {record.description.generation, {}};
  present.members.insert(node_id);
  if (present.members.size() < record.description.roster.size()) return;
  AsrRecord next = record;
  next.rotation_pending = false;
  (void)core_.registry.put(std::move(next));  // where it fails, a restart rekeys once more
  std::erase_if(rotated_, [this](const auto& entry) {
    const AsrRecord* known = core_.registry.asr(entry.first);
    return known == nullptr || known->deleted || !known->rotation_pending;
  });
}

std::optional<Instant> Upkeep::next_deadline() const {
  Earliest next;
  next.consider(core_.clock.next_save());
  next.consider(silence_.earliest());
  next.consider(rekeys_.earliest());
  next.consider(renewals_.earliest());
  return next.at();
}

void Upkeep::fall_silent(protocol::NodeId node_id) {
  NodeRecord* node = core_.registry.volatile_part(node_id);
  if (node == nullptr || node->state != NodeState::active) return;
  node->state = NodeState::silent;
  core_.announce("node-silent", 4, message_id::kStateChanged, "A node has missed its heartbeats.", 0,
                 {{"node", node->name}, {"node_id", hex_id(node_id)}});
  // Blinded first, and then gone: nobody knows what happens there. It costs the node nothing by itself.
  if (node->sight_lost.ns != 0 && core_.now() - node->sight_lost <= kUnobserved)
    core_.announce("node-unobserved", 2, message_id::kStateDoubtful,
                   "A node has fallen silent after its sensor was impaired.", 0,
                   {{"node", node->name}, {"node_id", hex_id(node_id)}});
  core_.status_changed();
}

void Upkeep::renew(protocol::AsrId asr_id, Instant now) {
  const AsrRecord* record = core_.registry.asr(asr_id);
  if (record == nullptr || record->deleted) return;
  Status started = fail(Errc::busy);
  if (core_.generations.rollout(asr_id) == nullptr && !record->unconfirmed) {
    started = core_.generations.start(*record, Reason::renewal, false, now);
    if (!started) log::error("a renewal failed: " + started.error().message(), {{"AKM_ASR", hex_id(asr_id)}});
  }
  if (started) {
    renewed(asr_id, now);
  } else {
    renewals_.set(asr_id, now + kRenewPause);
  }
}

void Upkeep::deadline_reached(Instant now) {
  if (core_.clock.next_save() <= now) (void)core_.clock.save(now);  // the next one is as good
  for (const protocol::NodeId node_id : silence_.take(now, kSilentPerTurn)) fall_silent(node_id);
  for (const protocol::NodeId node_id : rekeys_.take(now, kRekeysPerTurn)) {
    const NodeRecord* node = core_.registry.node(node_id);
    if (node == nullptr) continue;
    // A request that is under way goes first: it would have to change keys in the middle.
    if (core_.requests.under_way(node->provisioning_asr) > 0) {
      rekeys_.set(node_id, now + kBusyPause);
    } else {
      rekeying_.insert(node_id);
      core_.post(protocol::RequestRekey{node->provisioning_asr});
    }
  }
  for (const protocol::AsrId asr_id : renewals_.take(now, kRenewalsPerTurn)) renew(asr_id, now);
}

}  // namespace akm::nmm
