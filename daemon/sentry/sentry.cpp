#include "daemon/sentry/sentry.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "daemon/sentry/cgroup_path.h"

namespace akm::sentry {
namespace {

using policy::DetectionClass;

// Records of one turn of the loop: a flood of them must not keep the protocol from its deadlines.
constexpr std::size_t kBudget = 256;
constexpr std::size_t kOursTold = 64;  // as many as a machine can have

DetectionClass class_of(bpf::Watch watch) {
  switch (watch) {
    case bpf::Watch::key:
      return DetectionClass::key_access;
    case bpf::Watch::process:
      return DetectionClass::process_access;
    case bpf::Watch::state:
      return DetectionClass::state_tampering;
    case bpf::Watch::config:
      return DetectionClass::config_tampering;
    case bpf::Watch::inspection:
      return DetectionClass::process_inspection;
    case bpf::Watch::kernel_memory:
      return DetectionClass::kernel_memory;
    case bpf::Watch::module:
      return DetectionClass::module_load;
    case bpf::Watch::bpf_use:
      return DetectionClass::bpf_use;
    case bpf::Watch::bpf_ours:
      return DetectionClass::bpf_tampering;
    case bpf::Watch::sensor:
      return DetectionClass::sensor_tampering;
    case bpf::Watch::signal:
      return DetectionClass::daemon_signal;
    case bpf::Watch::tpm:
      return DetectionClass::tpm_access;
    case bpf::Watch::mount:
      return DetectionClass::hiding_mount;
    case bpf::Watch::core_dump:
      return DetectionClass::core_dump_redirected;
    case bpf::Watch::hardening:
      return DetectionClass::hardening_weakened;
    case bpf::Watch::mac:
      return DetectionClass::mac_disabled;
    case bpf::Watch::kexec:
      return DetectionClass::kexec_load;
    case bpf::Watch::debugger:
      return DetectionClass::debugger_started;
    case bpf::Watch::fileless:
      return DetectionClass::fileless_execution;
    case bpf::Watch::foreign_code:
      return DetectionClass::foreign_code;
    case bpf::Watch::service:
      return DetectionClass::service_tampering;
    case bpf::Watch::io_uring:
      return DetectionClass::io_uring_use;
    case bpf::Watch::consumer_keys:
      return DetectionClass::consumer_key_dump;
    case bpf::Watch::packet:
      return DetectionClass::packet_capture;
    case bpf::Watch::clock:
      return DetectionClass::clock_jump;
    case bpf::Watch::privilege:
      return DetectionClass::privilege_gain;
    case bpf::Watch::log:
      return DetectionClass::audit_impaired;
  }
  return DetectionClass::sensor_impaired;
}

policy::Outcome outcome_of(bpf::Outcome outcome) {
  switch (outcome) {
    case bpf::Outcome::succeeded:
      return policy::Outcome::succeeded;
    case bpf::Outcome::refused:
      return policy::Outcome::refused;
    case bpf::Outcome::unknown:
      return policy::Outcome::unknown;
  }
  return policy::Outcome::unknown;
}

/// A path of a system call is compared as text. In a user and mount namespace of their own, anybody can make
/// calls that succeed at such a path and touch nothing of ours; what does touch it is seen by the object too
/// (opened files, fanotify).
bool only_a_name(const bpf::ProbeRecord& record) {
  constexpr std::string_view kNamed[] = {"rename", "unlink",  "truncate", "chmod", "chown",  "xattr",
                                         "link",   "symlink", "mkdir",    "mount", "unmount"};
  return record.source == "tracepoint" && std::ranges::find(kNamed, record.operation) != std::end(kNamed);
}

/// What weighs less than its class may.
policy::Grade at_most(const bpf::ProbeRecord& record, const OurPrograms& ours) {
  constexpr std::uint64_t kPollingThread = 2;  // IORING_SETUP_SQPOLL: works on without system calls
  constexpr std::uint64_t kPacketFamily =
      17;  // AF_PACKET sees everybody's packets, a raw socket one protocol's
  // The service manager starts services, loads their filters and mounts their folders.
  const bool manager = record.tgid == 1 && record.uid == 0U && record.source != "fanotify";
  switch (record.watch) {
    case bpf::Watch::bpf_ours:
      // Who lists BPF objects (bpftool) opens each.
      return record.operation.ends_with("get-fd") ? policy::Grade::evidence : policy::Grade::critical;
    case bpf::Watch::io_uring:
      return (record.argument & kPollingThread) != 0 ? policy::Grade::evidence : policy::Grade::observe;
    case bpf::Watch::packet:
      return record.argument >> 32 == kPacketFamily ? policy::Grade::evidence : policy::Grade::observe;
    case bpf::Watch::bpf_use:
      return manager || ours.ran(record) ? policy::Grade::observe : policy::Grade::critical;
    case bpf::Watch::tpm:
    case bpf::Watch::mount:
    case bpf::Watch::core_dump:
    case bpf::Watch::hardening:
    case bpf::Watch::service:
      return manager ? policy::Grade::observe : policy::Grade::critical;
    case bpf::Watch::key:
    case bpf::Watch::process:
    case bpf::Watch::state:
    case bpf::Watch::config:
    case bpf::Watch::inspection:
    case bpf::Watch::kernel_memory:
    case bpf::Watch::module:
    case bpf::Watch::sensor:
    case bpf::Watch::signal:
    case bpf::Watch::mac:
    case bpf::Watch::kexec:
    case bpf::Watch::debugger:
    case bpf::Watch::fileless:
    case bpf::Watch::foreign_code:
    case bpf::Watch::consumer_keys:
    case bpf::Watch::clock:
    case bpf::Watch::privilege:
    case bpf::Watch::log:
      return policy::Grade::critical;  // the class's own ceiling holds
  }
  return policy::Grade::critical;
}

}  // namespace

policy::Detection detection_of(const bpf::ProbeRecord& record, const OurPrograms& ours) {
  policy::Detection out;
  out.detection = class_of(record.watch);
  out.outcome = outcome_of(record.outcome);
  out.privileged = record.uid && (*record.uid == 0 || *record.uid == ::geteuid());
  if (!out.privileged && only_a_name(record) && out.outcome == policy::Outcome::succeeded)
    out.outcome = policy::Outcome::unknown;
  out.at_most = at_most(record, ours);
  out.boottime_ns = record.boottime_ns;
  out.subject = record.subject();
  out.evidence = record.evidence();
  return out;
}

policy::Detection audit_log_impaired(std::map<std::string, std::string> evidence, Instant now) {
  policy::Detection out;
  out.detection = DetectionClass::audit_impaired;
  out.boottime_ns = now.ns;
  out.evidence = std::move(evidence);
  return out;
}

Sentry::Sentry(policy::NodePolicy policy, std::unique_ptr<bpf::ProbeSet> probes, Duration check_interval,
               std::function<Instant()> now, Handler handler, OurPrograms ours)
    : responder_(std::move(policy)),
      probes_(std::move(probes)),
      check_interval_(check_interval),
      now_(std::move(now)),
      handler_(std::move(handler)),
      ours_(std::move(ours)),
      next_check_(now_()) {}

void Sentry::judge(const policy::Detection& detection) {
  for (const policy::Judged& one : responder_.judge(detection, now_())) handler_(one.detection, one.decision);
}

/// A daemon of ours loads some eighty programs when it starts. One record of that between two checks says it;
/// all of them would crowd others out of the audit log.
bool Sentry::told_already(const bpf::ProbeRecord& record) {
  if (record.watch != bpf::Watch::bpf_use || !ours_.ran(record)) return false;
  if (ours_told_.size() < kOursTold && ours_told_.insert(record.tgid).second) return false;
  ++of_ours_;
  return true;
}

void Sentry::record(const bpf::ProbeRecord& record) {
  if (told_already(record)) return;
  policy::Detection detection = detection_of(record, ours_);
  // Only where somebody goes by it: the number is all that the kernel records.
  const auto& allowed = responder_.policy().allowances;
  const bool by_cgroup = std::ranges::any_of(allowed, [&](const policy::Allowance& one) {
    return !one.cgroup.empty() && std::ranges::find(one.classes, detection.detection) != one.classes.end();
  });
  if (by_cgroup && record.cgroup_id != 0) {
    if (auto path = cgroup_path(record.cgroup_id)) detection.subject["cgroup_path"] = std::move(*path);
  }
  judge(detection);
}

void Sentry::readable() {
  if (!probes_) return;
  const auto drained = probes_->drain(kBudget, [this](const bpf::ProbeRecord& one) { record(one); });
  // What the budget left over comes in the next turn: a deadline that has passed already.
  if (drained.more) next_check_ = std::min(next_check_, now_());
}

std::optional<Instant> Sentry::next_deadline() const {
  if (!probes_) return std::nullopt;
  return next_check_;
}

void Sentry::deadline_reached() {
  if (!probes_ || now_() < next_check_) return;
  next_check_ = now_() + check_interval_;
  ours_told_.clear();
  for (const bpf::SensorFinding& finding :
       probes_->check([this](const bpf::ProbeRecord& one) { record(one); })) {
    impaired(finding);
  }
}

void Sentry::impaired(const bpf::SensorFinding& finding) {
  const std::string name(bpf::sensor_finding_name(finding.kind));
  lost_ += finding.count;
  standing_[name] = "The probes are impaired (" + name + "): " + finding.detail;
  policy::Detection detection;
  detection.detection = DetectionClass::sensor_impaired;
  detection.boottime_ns = now_().ns;
  detection.evidence = {{"finding", name}, {"detail", finding.detail}};
  if (finding.count > 0) detection.evidence.emplace("lost", std::to_string(finding.count));
  judge(detection);
}

void Sentry::guard(const keyring::KeyStore& keys) {
  if (!probes_) return;
  std::vector<keyring::Serial> serials = keys.serials();
  std::erase(serials, keys.keyring_serial());
  if (const Status guarded = probes_->guard_keys(serials, keys.keyring_serial()); !guarded) {
    ++guard_failures_;
    standing_["guard-keys"] = guarded.error().message();
  } else {
    standing_.erase("guard-keys");
  }
}

std::vector<std::pair<std::string, std::string>> Sentry::health() const {
  std::vector<std::pair<std::string, std::string>> out;
  if (!probes_) return out;
  for (const bpf::ProbeHealth& one : probes_->health()) {
    std::string text = one.tier + (one.attached ? "" : " (degraded)");
    if (!one.detail.empty()) text += ": " + one.detail;
    out.emplace_back(one.detection, std::move(text));
  }
  return out;
}

std::map<std::string, std::uint64_t> Sentry::counters() const {
  if (!probes_) return {};
  auto out = probes_->counters();
  out.emplace("probe_guard_failures", guard_failures_);
  out.emplace("probe_records_of_ours", of_ours_);
  return out;
}

std::vector<std::string> Sentry::findings() const {
  std::vector<std::string> out;
  out.reserve(standing_.size());
  for (const auto& [name, sentence] : standing_) out.push_back(sentence);
  if (!probes_) return out;
  for (const bpf::ProbeHealth& one : probes_->health()) {
    if (!one.attached) out.push_back("Detection " + one.detection + " is degraded: " + one.detail);
  }
  return out;
}

std::string Sentry::tier() const {
  if (!probes_) return "none";
  std::string out;
  for (const bpf::ProbeHealth& one : probes_->health()) {
    if (!one.attached) return one.tier + " (degraded)";
    if (out.empty()) out = one.tier;
  }
  return out.empty() ? "none" : out;
}

}  // namespace akm::sentry
