#pragma once
// Which incidents were answered, so that none is answered twice: a record that comes again, a report that is
// repeated after a restart. Bounded: the oldest are forgotten first.
#include <compare>
#include <cstdint>
#include <deque>
#include <set>
#include <string>

#include "daemon/policy/detection.h"

namespace akm::policy {

inline constexpr std::size_t kIncidentsRemembered = 1024;

struct IncidentId {
  std::uint64_t node_id = 0;  // at the NMM
  DetectionClass detection{};
  std::int64_t boottime_ns = 0;
  std::string facts = {};  // of subject and evidence
  auto operator<=>(const IncidentId&) const = default;
};
IncidentId incident_of(const Detection& detection);

class IncidentMemory {
 public:
  [[nodiscard]] bool contains(const IncidentId& id) const { return known_.contains(id); }
  void add(IncidentId id);

 private:
  std::set<IncidentId> known_;
  std::deque<IncidentId> order_;
};

}  // namespace akm::policy
