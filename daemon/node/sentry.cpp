#include "daemon/node/sentry.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/node/cgroup_path.h"

namespace akm::node {
namespace {

using policy::DetectionClass;

// Records of one turn of the loop: a flood of them must not keep the protocol from its deadlines.
constexpr std::size_t kBudget = 256;

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
  return (record.watch == bpf::Watch::state || record.watch == bpf::Watch::config) &&
         record.source == "tracepoint" && record.operation != "open-write";
}

}  // namespace

policy::Detection detection_of(const bpf::ProbeRecord& record) {
  policy::Detection out;
  out.detection = class_of(record.watch);
  out.outcome = outcome_of(record.outcome);
  out.privileged = record.uid && (*record.uid == 0 || *record.uid == ::geteuid());
  if (!out.privileged && only_a_name(record) && out.outcome == policy::Outcome::succeeded)
    out.outcome = policy::Outcome::unknown;
  out.boottime_ns = record.boottime_ns;
  out.subject = record.subject();
  out.evidence = record.evidence();
  return out;
}

Sentry::Sentry(policy::NodePolicy policy, std::unique_ptr<bpf::ProbeSet> probes, Duration check_interval,
               std::function<Instant()> now, Handler handler)
    : responder_(std::move(policy)),
      probes_(std::move(probes)),
      check_interval_(check_interval),
      now_(std::move(now)),
      handler_(std::move(handler)),
      next_check_(now_()) {}

void Sentry::judge(const policy::Detection& detection) {
  for (const policy::Judged& one : responder_.judge(detection, now_())) handler_(one.detection, one.decision);
}

void Sentry::record(const bpf::ProbeRecord& record) {
  policy::Detection detection = detection_of(record);
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

void Sentry::contradiction(const protocol::ContradictionSeen& seen) {
  policy::Detection detection;
  detection.detection = seen.what == protocol::Contradiction::cloned_identity
                            ? DetectionClass::cloned_identity
                            : DetectionClass::stale_incarnation;
  detection.boottime_ns = now_().ns;
  detection.subject = {{"node_id", hex_id(seen.node_id)}, {"member", std::to_string(seen.member)}};
  detection.evidence = {{"asr", hex_id(seen.asr_id)}, {"from", format_endpoint(seen.from)}};
  if (seen.expected) detection.evidence.emplace("expected_at", format_endpoint(*seen.expected));
  judge(detection);
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

}  // namespace akm::node
