#pragma once
// What counters say about who is outside: forged frames above a rate (D27) and scans (D26), at most one
// detection of each in a window. Observations: what nobody signed must cost nobody anything.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bpf/loader/gate.h"
#include "daemon/base/instant.h"
#include "daemon/policy/detection.h"
#include "daemon/protocol/engine.h"

namespace akm::service {

class FrameWatch {
 public:
  static constexpr Duration kWindow = std::chrono::minutes(1);
  static constexpr std::uint64_t kForgedAtLeast = 100;  // of a window
  static constexpr unsigned kPortsAtLeast = 16;         // different ones that one source tried in a window
  static constexpr unsigned kAsrsAtLeast = 8;

  explicit FrameWatch(Instant now) : ends_(now + kWindow) {}

  [[nodiscard]] Instant ends() const { return ends_; }
  /// What the window that ends holds, from counters that only grow; the next one begins. `gate`: the gate's
  /// counters, empty without one.
  std::vector<policy::Detection> end_window(Instant now, const protocol::Counters& engine,
                                            const std::map<std::string, std::uint64_t>& gate,
                                            const std::vector<bpf::GateScan>& scans);
  /// The windows before, summed up.
  [[nodiscard]] std::uint64_t forged() const { return forged_; }
  [[nodiscard]] std::uint64_t stragglers() const { return stragglers_; }

 private:
  using Reasons = std::map<std::string, std::uint64_t>;
  std::optional<policy::Detection> forged_frames(Instant now, const Reasons& now_counted);
  static std::optional<policy::Detection> network_scan(Instant now, const std::vector<bpf::GateScan>& scans);

  Instant ends_;
  Reasons counted_;  // at the end of the window before
  std::uint64_t forged_ = 0;
  std::uint64_t stragglers_ = 0;
};

}  // namespace akm::service
