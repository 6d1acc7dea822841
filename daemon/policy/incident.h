#pragma once
// Which detections have one cause: they are one incident (docs/audit.md), with one id on the node and on its
// NMM.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "daemon/base/instant.h"
#include "daemon/policy/detection.h"

namespace akm::policy {

/// Of who noticed it, what, and when: the same on both sides without a word between them. Never 0.
std::uint64_t incident_id(std::uint64_t reporter, std::string_view what, std::int64_t boottime_ns);

/// A node's incidents that may still grow.
class IncidentBook {
 public:
  /// What one process does within this time has one cause; and what happens so long after a quarantine ended
  /// belongs to its end.
  static constexpr Duration kOneCause = std::chrono::seconds(60);
  static constexpr std::size_t kOpen = 64;

  /// The incident of this detection; 0 for grade observe, which anybody can cause. While one stands, all is
  /// part of it.
  std::uint64_t assign(const Detection& detection, Grade grade, std::uint64_t node_id, Instant now);
  /// This one took the node out of its groups.
  void stand(std::uint64_t incident, Instant now);
  /// The one that stands; 0: none. It ends some time after the node was in quarantine.
  std::uint64_t standing(bool in_quarantine, Instant now);

 private:
  struct Open {
    std::uint64_t incident = 0;
    Instant last;
  };
  std::map<std::string, Open> open_;  // by who did it, or else what was done
  std::uint64_t standing_ = 0;
  Instant stood_;  // last seen in quarantine
};

}  // namespace akm::policy
