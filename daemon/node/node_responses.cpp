// Responses that only a policy asks for: the operator's program, and the end of this node.
#include <chrono>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/node/node.h"
#include "daemon/sentry/decision_event.h"
#include "daemon/service/hook.h"

namespace akm::node {
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
