#include "daemon/nmm/machine_guard.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "daemon/base/earliest.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/policy/grading.h"
#include "daemon/sentry/decision_event.h"
#include "daemon/service/hook.h"

namespace akm::nmm {
namespace {

using policy::Response;
using sentry::wants;

/// What goes up: an incident has room for 16 facts (section 7).
EventRecord for_the_root(const EventRecord& event) {
  constexpr std::array kFacts{"class", "grade",      "outcome", "operation", "incident", "actions",
                              "comm",  "executable", "pid",     "uid",       "path",     "target",
                              "what",  "before",     "after",   "finding"};
  EventRecord out = event;
  out.fields.clear();
  for (const char* name : kFacts) {
    const auto found = event.fields.find(name);
    if (found != event.fields.end()) out.fields.emplace(*found);
  }
  return out;
}

}  // namespace

MachineGuard::MachineGuard(Parts parts)
    : parts_(std::move(parts)),
      core_(parts_.core),
      sentry_(
          core_.settings.responses, std::move(parts_.probes),
          std::chrono::seconds(core_.settings.probes.check_interval_s), [this] { return core_.now(); },
          [this](const policy::Detection& detection, const policy::Decision& decision) {
            decided(detection, decision);
          },
          sentry::OurPrograms(core_.settings.probes.programs())),
      replacement_(core_, parts_.recovery, parts_.root_asr) {}

void MachineGuard::resume(const policy::BootId& boot) {
  boot_ = boot;
  if (const auto stored = core_.registry.store().read(policy::kPolicyMemory)) {
    if (const Status taken = sentry_.remember(stored->reveal(), boot_); !taken)
      log::warning("What the policy remembers of earlier answers cannot be read: " + taken.error().message());
  }
  if (parts_.acts()) replacement_.resume();
}

void MachineGuard::judge(const policy::Detection& detection) {
  sentry_.maintenance(core_.node_policies.domain_window(core_.now()));
  sentry_.judge(detection);
  parts_.settle();
}

void MachineGuard::readable() {
  sentry_.maintenance(core_.node_policies.domain_window(core_.now()));
  sentry_.readable();
  parts_.settle();
}

std::optional<Instant> MachineGuard::next_deadline() const {
  Earliest next;
  next.consider(sentry_.next_deadline());
  next.consider(memory_due_);
  if (parts_.acts()) next.consider(replacement_.next_deadline());
  return next.at();
}

/// Of Nmm::deadline_reached, which settles.
void MachineGuard::deadline_reached(Instant now) {
  sentry_.maintenance(core_.node_policies.domain_window(now));
  sentry_.deadline_reached();
  if (memory_due_ && *memory_due_ <= now) save_memory();
  if (parts_.acts()) replacement_.deadline_reached(now);
}

void MachineGuard::show(StatusSnapshot& out) const {
  out.probes = sentry_.health();
  out.counters.merge(sentry_.counters());
  out.counters.insert(counters_.begin(), counters_.end());
  for (std::string& finding : sentry_.findings()) out.findings.push_back(std::move(finding));
}

void MachineGuard::decided(const policy::Detection& detection, const policy::Decision& decision) {
  ++counters_["detections_" + std::string(policy::grade_name(decision.grade))];
  const std::uint64_t incident =
      incidents_.assign(detection, decision.grade, core_.root.nmm_id(), core_.now());
  respond(detection, decision, incident);
  keep_memory(decision);
  EventRecord event = sentry::decision_event("machine-" + std::string(policy::grade_name(decision.grade)),
                                             detection, decision, incident);
  if (decision.actions.empty()) return core_.events.note(std::move(event));
  tell(event, decision);
  if (wants(decision, Response::hook)) run_hook(detection, decision);
}

/// After what was begun is stored itself, and before the program runs, which is to run once. A flood of the
/// rest is no flood of writes.
void MachineGuard::keep_memory(const policy::Decision& decision) {
  if (!decision.remember) return;
  const auto& done = decision.actions;
  const bool once = std::ranges::any_of(done, [](Response one) {
    return one == Response::hook || one == Response::rekey || one == Response::revoke_local;
  });
  if (once) return save_memory();
  if (!memory_due_) memory_due_ = core_.now() + std::chrono::seconds(1);
}

void MachineGuard::save_memory() {
  memory_due_.reset();
  const Status saved = core_.registry.store().write(policy::kPolicyMemory, sentry_.memory(boot_));
  if (!saved) log::error("what the policy remembers cannot be stored: " + saved.error().message());
}

/// Keys first, before anybody is told.
void MachineGuard::respond(const policy::Detection& detection, const policy::Decision& decision,
                           std::uint64_t incident) {
  const bool all = wants(decision, Response::revoke_local) || wants(decision, Response::quarantine);
  if ((!all && !wants(decision, Response::rekey)) || !parts_.acts()) return;
  Breach breach;
  breach.node_id = core_.root.nmm_id();
  breach.detection = detection.detection;
  breach.grade = decision.grade;
  breach.boottime_ns = detection.boottime_ns;
  breach.reported_by = "nmm";
  breach.incident = incident;
  if (all) return replacement_.begin(breach);
  replacement_.renew(breach);
}

void MachineGuard::tell(const EventRecord& event, const policy::Decision& decision) {
  if (wants(decision, Response::report)) parts_.report(for_the_root(event));
  const bool critical = decision.grade == policy::Grade::critical;
  core_.events.add(
      event, critical ? message_id::kBreachDetected : message_id::kDetected,
      critical ? "A breach was detected on this machine" : "Something was detected on this machine",
      wants(decision, Response::signal));
}

void MachineGuard::run_hook(const policy::Detection& detection, const policy::Decision& decision) {
  const policy::Hook& hook = sentry_.policy().hook;
  auto environment = sentry::hook_environment(detection, decision, hex_id(core_.root.nmm_id()));
  if (!parts_.run_hooks) return hook_ended(fail(Errc::not_supported));
  const Status taken = parts_.run_hooks(
      [this, hook, environment = std::move(environment)]() -> keyring::TpmWorker::Completion {
        Status status = service::run_hook(hook.program, environment, std::chrono::seconds(hook.timeout_s));
        return [this, status = std::move(status)] { hook_ended(status); };
      });
  if (!taken) hook_ended(taken);
}

void MachineGuard::hook_ended(const Status& status) {
  if (status) {
    return core_.announce("hook-ended", 6, {}, "The program of the response hook has ended", 0, {});
  }
  core_.announce("hook-failed", 3, {}, "The program of the response hook has failed", 0,
                 {{"error", status.error().message()}});
}

}  // namespace akm::nmm
