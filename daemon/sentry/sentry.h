#pragma once
// Watches over this machine for its daemon: the kernel's probes come in, decisions of the policy come out.
// What a decision does is the role's.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bpf/loader/probe_set.h"
#include "daemon/base/instant.h"
#include "daemon/policy/decision.h"
#include "daemon/policy/policy_memory.h"
#include "daemon/sentry/our_programs.h"
#include "keyring/key_store.h"

namespace akm::sentry {

class Sentry {
 public:
  using Handler = std::function<void(const policy::Detection&, const policy::Decision&)>;
  /// `probes` may be null: nothing is watched then, which is a finding of the role's.
  Sentry(policy::NodePolicy policy, std::unique_ptr<bpf::ProbeSet> probes, Duration check_interval,
         std::function<Instant()> now, Handler handler, OurPrograms ours = OurPrograms());

  /// For the loop; -1 without probes.
  [[nodiscard]] int fd() const { return probes_ ? probes_->fd() : -1; }
  /// The fd is readable: hands over what is there within a budget.
  void readable();
  /// When the probes' heartbeat is due, or more records wait.
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached();
  /// The keys changed: foreign use of these is D1 from now on.
  void guard(const keyring::KeyStore& keys);
  /// What somebody else has noticed: a watch in user space, the gate, the protocol.
  void judge(const policy::Detection& detection);

  /// Another policy, and a maintenance window (none: closed), from now on.
  void policy(policy::NodePolicy policy) { responder_.replace(std::move(policy)); }
  void maintenance(std::optional<Instant> until) { responder_.maintenance(until); }
  [[nodiscard]] const policy::NodePolicy& policy() const { return responder_.policy(); }
  /// What is to outlive a restart, and what did. state_corrupt.
  [[nodiscard]] std::vector<std::uint8_t> memory(const policy::BootId& boot) const {
    return policy::encode_memory(responder_.policy(), responder_.state(), boot);
  }
  Status remember(std::span<const std::uint8_t> memory, const policy::BootId& boot) {
    return policy::take_memory(memory, responder_.policy(), boot, now_(), responder_.state());
  }

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> health() const;
  [[nodiscard]] std::map<std::string, std::uint64_t> counters() const;
  /// Where the probes are pinned; empty: they end with us.
  [[nodiscard]] std::string pin_folder() const { return probes_ ? probes_->pin_folder() : std::string(); }
  /// Findings of the sensor that stand, one sentence each.
  [[nodiscard]] std::vector<std::string> findings() const;
  /// The weakest tier in force, for the heartbeat: "tracepoint", "none".
  [[nodiscard]] std::string tier() const;
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

 private:
  void record(const bpf::ProbeRecord& record);
  void impaired(const bpf::SensorFinding& finding);
  [[nodiscard]] bool told_already(const bpf::ProbeRecord& record);

  policy::Responder responder_;
  std::unique_ptr<bpf::ProbeSet> probes_;
  Duration check_interval_;
  std::function<Instant()> now_;
  Handler handler_;
  OurPrograms ours_;
  Instant next_check_;
  std::uint64_t lost_ = 0;
  std::uint64_t guard_failures_ = 0;
  std::set<std::uint32_t> ours_told_;  // processes, since the last check
  std::uint64_t of_ours_ = 0;          // records that were counted alone
  std::map<std::string, std::string> standing_;
};

/// The class, outcome and evidence of a kernel record.
policy::Detection detection_of(const bpf::ProbeRecord& record, const OurPrograms& ours);
/// D30, of the daemon's own audit log.
policy::Detection audit_log_impaired(std::map<std::string, std::string> evidence, Instant now);

}  // namespace akm::sentry
