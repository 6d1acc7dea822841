#pragma once
// Keeps the gate's tables true while the daemon runs: which relationships there are, whose frames have
// authenticated. And says what its counters mean (FrameWatch), without a gate too.
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bpf/loader/gate.h"
#include "daemon/base/endpoint.h"
#include "daemon/policy/detection.h"
#include "daemon/protocol/engine.h"
#include "daemon/service/frame_watch.h"
#include "daemon/service/gate_settings.h"

namespace akm::service {

/// Null with a finding, when it is switched off or its programs do not load. `listen`: as bound.
std::unique_ptr<bpf::Gate> open_gate(const GateSettings& settings, const Endpoint& listen,
                                     std::vector<std::string>& findings);

class GateKeeper {
 public:
  static constexpr Duration kCheckInterval = std::chrono::seconds(10);
  /// A member speaks at least once a rekey interval, and its NMM hears of it more often.
  static constexpr Duration kVouchLasts = std::chrono::hours(1);
  static constexpr Duration kVouchAgain = std::chrono::minutes(10);

  struct Parts {
    std::unique_ptr<bpf::Gate> gate;           // null: the engine's counters alone
    const protocol::Engine* engine = nullptr;  // null: nothing to keep, the gate stands open
    std::function<Instant()> now = boottime_now;
    std::function<void(const policy::Detection&)> tell;
  };
  explicit GateKeeper(Parts parts);

  /// Once all relationships are restored: from now on the gate drops what is of none of them.
  void start();

  // What the shell and the role say.
  void stored(protocol::AsrId asr_id);
  void forgotten(protocol::AsrId asr_id);
  void authentic(const Endpoint& from) { vouch(from); }
  /// What the role knows better than a roster: its frames pass first.
  void vouch(const Endpoint& source);
  void joined_group(const Endpoint& group);

  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached();

  /// "XDP at eth0"; none without a gate.
  [[nodiscard]] std::optional<std::string> health() const;
  [[nodiscard]] std::map<std::string, std::uint64_t> counters() const;
  [[nodiscard]] std::vector<std::string> findings() const;

 private:
  void vouch_for_roster(protocol::AsrId asr_id);
  void end_window(Instant now);
  void hooks_gone(const std::string& hook, Instant now);

  Parts parts_;
  FrameWatch watch_;
  std::optional<Instant> next_check_;  // none before the start
  std::set<protocol::AsrId> held_;
  std::set<protocol::AsrId> changed_;  // their rosters may be others
  Instant rosters_due_;
  std::uint64_t hooks_gone_ = 0;
  // Sources that were vouched for lately, so that a frame costs no system call. Who shares a place is told
  // again.
  struct Vouched {
    Endpoint source;
    Instant again;
  };
  std::array<Vouched, 1024> lately_{};
};

}  // namespace akm::service
