// What the engine and the shell report: events for people, and what the role does about them.
#include <algorithm>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/base/message_ids.h"
#include "daemon/node/node.h"
#include "daemon/service/snapshot.h"

namespace akm::node {

policy::Detection detection_of(const protocol::ContradictionSeen& seen, Instant now) {
  policy::Detection detection;
  detection.detection = seen.what == protocol::Contradiction::cloned_identity
                            ? policy::DetectionClass::cloned_identity
                            : policy::DetectionClass::stale_incarnation;
  detection.boottime_ns = now.ns;
  detection.subject = {{"node_id", hex_id(seen.node_id)}, {"member", std::to_string(seen.member)}};
  detection.evidence = {{"asr", hex_id(seen.asr_id)}, {"from", format_endpoint(seen.from)}};
  if (seen.expected) detection.evidence.emplace("expected_at", format_endpoint(*seen.expected));
  return detection;
}

void Node::report(service::Report& report) {
  std::visit([this](auto& one) { on(one); }, report);
}

void Node::on(protocol::SessionCommitted& committed) {
  findings_.erase("persist");
  say({.name = "session-committed",
       .severity = 6,
       .asr_id = committed.asr_id,
       .fields = {{"generation", std::to_string(committed.generation)},
                  {"chain", service::chain_name(committed.chain)},
                  {"epoch", std::to_string(committed.epoch)},
                  {"key_check", hex(committed.check)},
                  {"took_us", std::to_string(committed.took.count() / 1000)}}},
      message_id::kSessionCommitted, "The members have a new session key");
  asr_changed(committed.asr_id);
  answer_rekey(committed.asr_id, {});
  if (committed.asr_id != link_.provisioning()) heartbeat_soon();
}

void Node::on(protocol::GenerationSwitched& switched) {
  findings_.erase("persist");
  resync_not_before_.erase(switched.asr_id);
  join_group_of(switched.asr_id);
  say({.name = "generation-switched",
       .severity = 5,
       .asr_id = switched.asr_id,
       .fields = {{"generation", std::to_string(switched.generation)}, {"key_check", hex(switched.check)}}},
      message_id::kGenerationInstalled, "A new generation is in use");
  asr_changed(switched.asr_id);
  answer_rekey(switched.asr_id, {});
  if (switched.asr_id != link_.provisioning()) heartbeat_soon();
}

/// Topology multicast: the other members send to a group address.
void Node::join_group_of(protocol::AsrId asr_id) {
  const auto view = shell_->engine().view(asr_id);
  if (!view || view->description.policy.topology != protocol::Topology::multicast) return;
  const auto group = parse_endpoint(view->description.policy.multicast_group);
  if (!group || groups_.contains(*group)) return;
  if (const Status joined = parts_.join_group(*group); !joined) {
    findings_["join-group"] = joined.error().message();
    return log::error("a group was not joined, its frames are not heard: " + joined.error().message(),
                      {{"AKM_ASR", hex_id(asr_id)}});
  }
  findings_.erase("join-group");
  groups_.insert(*group);
  gate_->joined_group(*group);
}

void Node::on(protocol::AsrRetired& retired) {
  resync_not_before_.erase(retired.asr_id);
  say({.name = "asr-retired", .severity = 5, .asr_id = retired.asr_id, .fields = {}}, message_id::kAsrRetired,
      "A relationship was erased");
  asr_changed(retired.asr_id);
  answer_rekey(retired.asr_id, fail(Errc::not_found, "the relationship was erased meanwhile"));
  heartbeat_soon();
}

void Node::on(protocol::AttemptFailed& failed) {
  std::string waited;
  for (const std::uint16_t index : failed.waited_for)
    waited += (waited.empty() ? "" : " ") + std::to_string(index);
  say({.name = "attempt-failed",
       .severity = 5,
       .asr_id = failed.asr_id,
       .fields = {{"target", std::to_string(failed.target)},
                  {"failures", std::to_string(failed.failures)},
                  {"waited_for", waited}}},
      {}, "The members did not agree in time");
  asr_changed(failed.asr_id);
  answer_rekey(failed.asr_id,
               fail(Errc::timed_out, "the members did not agree; waited for the indexes " + waited));
}

void Node::on(protocol::ChainsExhausted& exhausted) {
  const bool operational = exhausted.asr_id != link_.provisioning();
  if (!operational) {
    findings_["nmm-chains"] =
        "The NMM is not reached on any chain. If it runs, this node's state is perhaps an older copy, or "
        "another "
        "machine is this node: put the newest state back, or provision this node again (akmctl node zeroize, "
        "akmctl nmm prepare, akmctl node provision)";
    status_changed();
  }
  say({.name = "chains-exhausted",
       .severity = 4,
       .asr_id = exhausted.asr_id,
       .fields = {{"generation", std::to_string(exhausted.generation)}}},
      {},
      operational ? "Only a new generation leads the members together: the NMM is asked for one"
                  : "The NMM is not reached on any chain; if it stays so, provision this node again");
  if (operational) ask_for_generation(exhausted.asr_id);
}

void Node::ask_for_generation(protocol::AsrId asr_id) {
  const auto view = shell_->engine().view(asr_id);
  if (!view || !has_nmm()) return;
  const Instant now = parts_.now();
  const auto limit = resync_not_before_.find(asr_id);
  if (limit != resync_not_before_.end() && now < limit->second) return;
  resync_not_before_[asr_id] = now + std::chrono::seconds(view->description.policy.resync_min_interval_s);
  ++counters_["resyncs_asked"];
  link_.send(protocol::Method::resync, protocol::ResyncRequest{asr_id, view->description.generation}.encode(),
             Duration{0}, [](const Result<NmmLink::Answer>&) {
               // What follows is an install, or the next failed attempt asks again.
             });
}

void Node::on(protocol::ContradictionSeen& seen) {
  sentry_.judge(detection_of(seen, parts_.now()));
}

void Node::on(protocol::EventRefused& refused) {
  ++counters_["events_refused"];
  say({.name = "event-refused",
       .severity = 5,
       .asr_id = refused.asr_id,
       .fields = {{"event", refused.event}, {"error", refused.error.message()}}},
      {}, "The engine refused an event");
}

void Node::on(service::KeysChanged& changed) {
  findings_.erase("install-key");
  findings_.erase("revoke-key");
  sentry_.guard(*parts_.keys);
  if (changed.slot == protocol::KeySlot::current) exports_.session_changed(changed.asr_id);
  asr_changed(changed.asr_id);
}

void Node::on(service::EffectFailed& failed) {
  const std::string sentence = failed.error.message();
  const bool known = findings_.contains(failed.effect) && findings_[failed.effect] == sentence;
  findings_[failed.effect] = sentence;
  if (known) return;  // said once; the counters go on
  say({.name = "effect-failed",
       .severity = 3,
       .asr_id = failed.asr_id,
       .fields = {{"effect", failed.effect}, {"error", sentence}}},
      {}, "An effect could not be carried out");
  status_changed();
}

}  // namespace akm::node
