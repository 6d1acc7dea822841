#include "daemon/nmm/membership.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "daemon/base/hex.h"
#include "daemon/base/message_ids.h"
#include "daemon/nmm/roster_change.h"
#include "daemon/protocol/asr_codec.h"
#include "daemon/service/policy_text.h"

namespace akm::nmm {
namespace {

/// Who takes part and who sends to whom must be the same in all members, or attempts fail until the last has
/// been told.
bool differ_in_common(const protocol::Policy& before, const protocol::Policy& after) {
  return before.quorum != after.quorum || before.topology != after.topology ||
         before.multicast_group != after.multicast_group;
}

}  // namespace

Result<const AsrRecord*> Membership::living(protocol::AsrId asr_id) const {
  const AsrRecord* record = core_.registry.asr(asr_id);
  if (record == nullptr || record->deleted) return fail(Errc::not_found, "relationship " + hex_id(asr_id));
  return record;
}

Result<const NodeRecord*> Membership::usable(protocol::NodeId node_id) const {
  const NodeRecord* node = core_.registry.node(node_id);
  if (node == nullptr) return fail(Errc::not_found, "node " + hex_id(node_id));
  switch (node->state) {
    case NodeState::active:
    case NodeState::silent:
      break;
    case NodeState::prepared:
      return fail(Errc::not_activated, node->name);
    case NodeState::quarantined:
    case NodeState::retired:
      return fail(Errc::wrong_state, node->name + " is " + std::string(node_state_name(node->state)));
  }
  if (core_.registry.asrs_of(node_id).size() >= kAsrsPerNode) {
    return fail(Errc::limit_exceeded, "relationships of " + node->name);
  }
  return node;
}

Result<AsrRecord> Membership::make(const std::string& label, const std::vector<protocol::NodeId>& nodes,
                                   const std::map<std::string, std::string>& policy) {
  const auto same = std::ranges::any_of(core_.registry.asrs(), [&label](const auto& entry) {
    return !entry.second.deleted && entry.second.description.label == label;
  });
  if (same) return fail(Errc::already_exists, label);
  std::vector<const NodeRecord*> members;
  for (const protocol::NodeId node_id : nodes) {
    AKM_ASSIGN(const NodeRecord* node, usable(node_id));
    members.push_back(node);
  }
  protocol::Policy fields = core_.settings.policy;
  AKM_TRY(service::apply_policy_text(fields, policy));
  AKM_TRY(protocol::check_policy(fields));
  std::uint64_t asr_id = 0;
  do {
    AKM_ASSIGN(asr_id, draw_id(core_.random));
  } while (core_.registry.asr(asr_id) != nullptr ||
           core_.registry.node_by_provisioning_asr(asr_id) != nullptr);
  AsrRecord record;
  AKM_ASSIGN(record.description, new_description(asr_id, label, members, fields));
  return record;
}

void Membership::create(const std::string& label, const std::vector<protocol::NodeId>& nodes,
                        const std::map<std::string, std::string>& policy, Reply<std::uint64_t> reply) {
  auto record = make(label, nodes, policy);
  if (!record) {
    reply(std::unexpected(record.error()));
    return;
  }
  const protocol::AsrId asr_id = record->description.id;
  // The reply is needed in two places, of which one is used.
  auto shared = std::make_shared<Reply<std::uint64_t>>(std::move(reply));
  const Status started = core_.generations.start(std::move(*record), Reason::created, false, core_.now(),
                                                 [shared, asr_id](Status status) {
                                                   if (status) {
                                                     (*shared)(asr_id);
                                                   } else {
                                                     (*shared)(std::unexpected(status.error()));
                                                   }
                                                 });
  if (!started) {
    (*shared)(std::unexpected(started.error()));
    return;
  }
  core_.asr_changed(asr_id);
}

void Membership::start(AsrRecord next, Reason reason, bool immediate, Done done) {
  const protocol::AsrId asr_id = next.description.id;
  // Needed in two places, of which one is used.
  auto shared = std::make_shared<Done>(std::move(done));
  const Status started = core_.generations.start(std::move(next), reason, immediate, core_.now(),
                                                 [shared](Status status) { (*shared)(std::move(status)); });
  if (!started) (*shared)(started);
  core_.asr_changed(asr_id);
}

void Membership::add(protocol::AsrId asr_id, protocol::NodeId node_id, Done done) {
  const auto change = [&]() -> Result<AsrRecord> {
    AKM_ASSIGN(const AsrRecord* present, living(asr_id));
    AKM_ASSIGN(const NodeRecord* node, usable(node_id));
    AsrRecord next = *present;
    AKM_ASSIGN(next.description, with_member(std::move(next.description), *node));
    next.leaving.erase(node_id);
    return next;
  };
  auto next = change();
  if (!next) {
    done(std::unexpected(next.error()));
    return;
  }
  start(std::move(*next), Reason::member_added, false, std::move(done));
}

void Membership::remove(protocol::AsrId asr_id, protocol::NodeId node_id, Done done) {
  const auto change = [&]() -> Result<AsrRecord> {
    AKM_ASSIGN(const AsrRecord* present, living(asr_id));
    AsrRecord next = *present;
    AKM_ASSIGN(next.description, without_member(std::move(next.description), node_id));
    if (next.description.roster.size() < kLeastMembers) {
      return fail(Errc::wrong_state,
                  "one member alone has nobody to share keys with; delete the relationship");
    }
    next.leaving.insert(node_id);
    return next;
  };
  auto next = change();
  if (!next) {
    done(std::unexpected(next.error()));
    return;
  }
  if (next->unconfirmed) return done(shrink(std::move(*next)));
  start(std::move(*next), Reason::member_removed, true, std::move(done));
}

/// Nothing is issued yet: the others get new keys when the rest of the roster is confirmed.
Status Membership::shrink(AsrRecord next) {
  const protocol::AsrId asr_id = next.description.id;
  next.complete = false;
  AKM_TRY(core_.registry.put(std::move(next)));
  core_.departures.retire(asr_id, core_.now());
  core_.asr_changed(asr_id);
  return {};
}

/// At once, and not at the switch: nobody knows who else has the keys of the present generation.
void Membership::confirm(protocol::AsrId asr_id, Done done) {
  const auto present = living(asr_id);
  if (!present) return done(std::unexpected(present.error()));
  if (!(*present)->unconfirmed)
    return done(
        fail(Errc::wrong_state, "the roster of " + (*present)->description.label + " is in no doubt"));
  AsrRecord next = **present;
  next.unconfirmed = false;
  start(std::move(next), Reason::operator_request, true, std::move(done));
}

void Membership::rekey(protocol::AsrId asr_id, Done done) {
  const auto present = living(asr_id);
  if (!present) {
    done(std::unexpected(present.error()));
    return;
  }
  start(**present, Reason::operator_request, false, std::move(done));
}

void Membership::set_policy(protocol::AsrId asr_id, const std::map<std::string, std::string>& fields,
                            Done done) {
  const auto change = [&]() -> Result<AsrRecord> {
    AKM_ASSIGN(const AsrRecord* present, living(asr_id));
    AsrRecord next = *present;
    AKM_TRY(service::apply_policy_text(next.description.policy, fields));
    return next;
  };
  auto next = change();
  if (!next) {
    done(std::unexpected(next.error()));
    return;
  }
  const protocol::Policy& before = core_.registry.asr(asr_id)->description.policy;
  const protocol::Policy& after = next->description.policy;
  const auto patience = std::chrono::seconds(after.install_deadline_s);
  const bool changed = before != after;
  if (changed && (differ_in_common(before, after) || core_.generations.rollout(asr_id) != nullptr)) {
    return start(std::move(*next), Reason::operator_request, false, std::move(done));
  }
  if (changed) {
    for (const protocol::Member& member : next->description.roster)
      next->policy_pending.insert(member.node_id);
    if (const Status stored = core_.registry.put(std::move(*next)); !stored) {
      done(stored);
      return;
    }
    core_.policy_changes.tell(asr_id, core_.now());
    core_.asr_changed(asr_id);
  }
  core_.policy_changes.when_told(asr_id, core_.now() + patience, std::move(done));
}

Status Membership::retire_all(protocol::AsrId asr_id) {
  AKM_ASSIGN(const AsrRecord* present, living(asr_id));
  AsrRecord next = *present;
  next.deleted = true;
  for (const protocol::Member& member : next.description.roster) next.leaving.insert(member.node_id);
  next.description.roster.clear();
  AKM_TRY(core_.registry.put(std::move(next)));
  core_.generations.drop(asr_id);
  core_.departures.retire(asr_id, core_.now());
  core_.announce("asr-deleted", 5, message_id::kAsrRetired,
                 "A relationship is being retired on all its members.", asr_id, {});
  core_.asr_changed(asr_id);
  return {};
}

void Membership::erase(protocol::AsrId asr_id, Done done) {
  const auto present = living(asr_id);
  if (!present) {
    // One without a record: whoever says that it holds it is told to erase it.
    const auto holders = core_.registry.holders_of_unknown(asr_id);
    for (const protocol::NodeId node_id : holders)
      core_.departures.retire_stray(node_id, asr_id, core_.now());
    done(holders.empty() ? std::unexpected(present.error()) : Status{});
    return;
  }
  const auto patience = std::chrono::seconds((*present)->description.policy.install_deadline_s);
  if (const Status retired = retire_all(asr_id); !retired) {
    done(retired);
    return;
  }
  core_.departures.when_gone(asr_id, core_.now() + patience, std::move(done));
}

}  // namespace akm::nmm
