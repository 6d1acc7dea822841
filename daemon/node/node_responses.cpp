// Responses that only a policy asks for: the operator's program, and the end of this node.
#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/base/message_ids.h"
#include "daemon/node/node.h"
#include "daemon/sentry/decision_event.h"
#include "daemon/service/hook.h"

namespace akm::node {
namespace {

// A flood of detections is no flood of writes.
constexpr Duration kMemoryAgain = std::chrono::seconds(1);

}  // namespace

/// A record of it that cannot be read is said, and begins anew with the next answer.
void Node::load_policy_memory() {
  const auto stored = parts_.store->read(policy::kPolicyMemory);
  if (!stored && stored.error().code == Errc::not_found) return;
  const Status taken =
      stored ? sentry_.remember(stored->reveal(), parts_.machine.boot_id) : std::unexpected(stored.error());
  if (!taken)
    say({.name = "policy-memory-lost", .severity = 4, .fields = {{"error", taken.error().message()}}},
        message_id::kStateDoubtful, "What the policy remembers of earlier answers cannot be read");
}

/// A program and a rekey are done once: they are stored as done before they are. Keys that are revoked twice
/// and a report that is sent twice change nothing, so that these do not wait for the disk.
void Node::keep_policy_memory(const policy::Decision& decision) {
  if (!decision.remember || leaving_) return;
  const auto& done = decision.actions;
  const bool once = std::ranges::find(done, policy::Response::rekey) != done.end() ||
                    std::ranges::find(done, policy::Response::hook) != done.end();
  if (once) return save_policy_memory();
  if (!memory_due_) memory_due_ = std::max(parts_.now(), memory_saved_ + kMemoryAgain);
}

/// After the node's own record: an answer that is remembered must not have left its report and its quarantine
/// behind.
void Node::save_policy_memory() {
  if (parts_.store == nullptr) return;
  if (std::exchange(save_due_, std::nullopt)) save_record();
  memory_due_.reset();
  if (save_due_) {
    memory_due_ = save_due_;
    return;
  }
  memory_saved_ = parts_.now();
  const Status saved = parts_.store->write(policy::kPolicyMemory, sentry_.memory(parts_.machine.boot_id));
  if (saved) {
    findings_.erase("policy-memory");
    return;
  }
  findings_["policy-memory"] = saved.error().message();
  memory_due_ = parts_.now() + kMemoryAgain;
}

/// The NMM says which policy on detections holds here.
void Node::command_detection_policy(const protocol::RequestReceived& request) {
  const Status taken = rules_.take(request.body.reveal());
  if (taken) status_changed();
  respond(request, taken);
}

void Node::run_hook(const policy::Detection& detection, const policy::Decision& decision) {
  const policy::Hook& hook = sentry_.policy().hook;
  auto environment =
      sentry::hook_environment(detection, decision, record_ ? hex_id(record_->identity.node_id) : "");
  if (!parts_.run_hooks) return hook_ended(fail(Errc::not_supported));
  const Status taken = parts_.run_hooks(
      [this, hook, environment = std::move(environment)]() -> keyring::TpmWorker::Completion {
        Status status = service::run_hook(hook.program, environment, std::chrono::seconds(hook.timeout_s));
        return [this, status = std::move(status)] { hook_ended(status); };
      });
  if (!taken) hook_ended(taken);
}

void Node::hook_ended(const Status& status) {
  ++counters_[status ? "hooks_run" : "hooks_failed"];
  if (status) {
    say({.name = "hook-ended", .severity = 6, .fields = {}}, {},
        "The program of the response hook has ended");
    return;
  }
  say({.name = "hook-failed", .severity = 3, .fields = {{"error", status.error().message()}}}, {},
      "The program of the response hook has failed");
}

/// When all that tells of it has been said. Nobody can take it back.
void Node::zeroize_by_policy() {
  if (!shell_ || !record_) return;
  say({.name = "zeroize-by-policy", .severity = 1, .fields = {}}, {},
      "The policy has this node erase all that it has");
  if (const auto erased = erase_everything(); !erased)
    say({.name = "zeroize-failed", .severity = 2, .fields = {{"error", erased.error().message()}}}, {},
        "Not everything could be erased");
}

}  // namespace akm::node
