// Section 7, activation, and the heartbeats that follow it.
#include <algorithm>
#include <utility>

#include "daemon/base/message_ids.h"
#include "daemon/node/node.h"

namespace akm::node {
namespace {

// After a change the NMM hears of it soon, and several changes in a row are one heartbeat.
constexpr Duration kHeartbeatSoon = std::chrono::milliseconds(300);

}  // namespace

void Node::activate(Done done) {
  if (!shell_) return done(fail(Errc::sealed_unavailable));
  if (!record_) return done(fail(Errc::not_provisioned));
  if (state_ == NodeState::active) return done({});
  if (state_ == NodeState::quarantined) return done(fail(Errc::wrong_state, "the node is quarantined"));
  if (activation_waiters_.size() >= kWaitersMax)
    return done(fail(Errc::busy, "too many wait for an activation"));
  activation_waiters_.push_back(std::move(done));
  activation_due_.reset();
  try_activation();
}

void Node::try_activation() {
  if (activation_under_way_ || !record_) return;
  activation_under_way_ = true;
  rehome_sent_ = asks_rehome();
  const auto hardware = parts_.hardware.value();
  if (!hardware) return activation_ended(std::unexpected(hardware.error()));
  set_state(NodeState::activating);
  protocol::ActivateRequest request;
  request.hardware_value = *hardware;
  request.version = AKM_VERSION;
  request.rehome = rehome_sent_;
  if (const auto digests = parts_.hardware.digests()) {
    request.machine = parts_.machine;
    request.machine->sources = *digests;
  }
  const bool wanted = record_->identity.policy.attestation == protocol::Attestation::required;
  if (wanted && parts_.hardware.quoter()) return quote_for_activation(std::move(request));
  send_activation(request);  // without a TPM the NMM says what its policy is
}

void Node::send_activation(const protocol::ActivateRequest& request) {
  link_.send(protocol::Method::activate, request.encode(), Duration{0},
             [this](Result<NmmLink::Answer> outcome) { activation_ended(std::move(outcome)); });
}

void Node::activation_ended(Result<NmmLink::Answer> outcome) {
  activation_under_way_ = false;
  Status result = outcome ? take_activation(*outcome) : std::unexpected(outcome.error());
  // It was asked for meanwhile, and the NMM has not heard of it: this answer is none to who waits.
  if (!result && outcome && asks_rehome() && !rehome_sent_) return try_activation();
  if (result) {
    activation_backoff_.reset();
    activation_due_.reset();
    findings_.erase("nmm-chains");
    say({.name = "activated", .severity = 5, .fields = {{"nmm", record_->identity.nmm_name}}},
        message_id::kNodeActivated, "The NMM has activated this node");
    set_state(NodeState::active);
    heartbeat_due_ = parts_.now();
  } else if (record_ && asks_rehome() && result.error().code == Errc::not_activated) {
    findings_["rehome"] =
        "The NMM's operator has been asked to take this machine for the one that was provisioned: akmctl nmm "
        "rehome " +
        record_->identity.node_name;
    set_state(NodeState::provisioned);
    activation_due_ = parts_.now() + activation_backoff_.next();
    for (Done& waiter : std::exchange(rehome_waiters_, {})) waiter({});
  } else if (record_) {
    say({.name = "activation-failed", .severity = 4, .fields = {{"error", result.error().message()}}}, {},
        "The node is not activated");
    set_state(NodeState::provisioned);
    if (settings_.activate_automatically) activation_due_ = parts_.now() + activation_backoff_.next();
  }
  for (Done& waiter : std::exchange(rehome_waiters_, {})) waiter(result);
  for (Done& waiter : std::exchange(activation_waiters_, {})) waiter(result);
}

Status Node::take_activation(const NmmLink::Answer& answer) {
  AKM_TRY(status_of(answer.status));
  AKM_ASSIGN(protocol::ActivateResponse response, protocol::ActivateResponse::decode(answer.body));
  NodeRecord changed = *record_;
  changed.identity.nmm_name = std::move(response.nmm);
  changed.identity.policy = response.policy;
  changed.state = NodeState::active;
  AKM_TRY(records_->save(changed));
  record_ = std::move(changed);
  settle_in();  // the serial that was bound to this machine has come before
  return {};
}

void Node::heartbeat_soon() {
  if (!has_nmm()) return;
  const Instant soon = parts_.now() + kHeartbeatSoon;
  if (!heartbeat_due_ || soon < *heartbeat_due_) heartbeat_due_ = soon;
}

void Node::send_heartbeat() {
  if (!has_nmm() || !shell_) return;
  const auto interval = std::chrono::seconds(record_->identity.policy.heartbeat_interval_s);
  heartbeat_due_ = parts_.now() + interval;
  if (heartbeat_under_way_) return;  // the NMM is away: one repeated request is enough
  protocol::Heartbeat beat;
  for (const protocol::AsrId id : operational()) {
    if (beat.asrs.size() == protocol::kHeartbeatAsrs) break;
    const auto view = shell_->engine().view(id);
    if (!view) continue;
    if (view->failsafe_spent) ask_for_generation(id);  // once more: what was asked at its commit may be lost
    beat.asrs.push_back(
        {id, view->description.generation, view->epoch, static_cast<std::uint8_t>(view->phase)});
  }
  beat.tier = sentry_.tier().substr(0, 64);
  beat.dropped = sentry_.lost();
  const protocol::Counters& counters = shell_->engine().counters();
  for (std::size_t i = 0; i < protocol::kRefusalCount; ++i) {
    if (counters.refused[i] == 0) continue;
    beat.refused.emplace(protocol::refusal_name(static_cast<protocol::Refusal>(i)), counters.refused[i]);
  }
  beat.uptime_s = static_cast<std::uint64_t>(parts_.now().ns / 1'000'000'000);
  if (const service::MaintenanceWindow* window = rules_.own_window()) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(window->until - parts_.now()).count();
    beat.maintenance_s = static_cast<std::uint32_t>(left);
    beat.maintenance_why = window->why;
  }
  heartbeat_under_way_ = true;
  link_.send(protocol::Method::heartbeat, beat.encode(), interval,
             [this](Result<NmmLink::Answer> outcome) { heartbeat_ended(outcome); });
}

void Node::heartbeat_ended(const Result<NmmLink::Answer>& outcome) {
  heartbeat_under_way_ = false;
  if (!record_ || !shell_) return;
  if (!outcome) {
    if (outcome.error().code == Errc::timed_out) findings_["nmm"] = "The NMM does not answer";
    return status_changed();
  }
  if (findings_.erase("nmm") + findings_.erase("nmm-chains") != 0) status_changed();
  // An NMM that was restored from an older state may not know that it has activated us.
  if (outcome->status == protocol::ControlStatus::not_activated && state_ == NodeState::active) {
    if (const Status saved = save_state(NodeState::provisioned); !saved) return;
    set_state(NodeState::provisioned);
    heartbeat_due_.reset();
    activation_due_ = parts_.now() + activation_backoff_.next();
  }
}

}  // namespace akm::node
