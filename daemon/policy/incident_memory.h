#pragma once
// Which incidents were answered, so that none is answered twice: a record that comes again, a report that is
// repeated after a restart. Bounded: the oldest are forgotten first.
#include <array>
#include <compare>
#include <cstdint>
#include <deque>
#include <set>

#include "daemon/policy/detection.h"

namespace akm::policy {

inline constexpr std::size_t kIncidentsRemembered = 1024;

struct IncidentId {
  std::uint64_t node_id = 0;  // at the NMM
  DetectionClass detection{};
  std::int64_t boottime_ns = 0;
  std::array<std::uint8_t, 16> facts{};  // digest of subject and evidence, however long they are
  auto operator<=>(const IncidentId&) const = default;
};
IncidentId incident_of(const Detection& detection);

class IncidentMemory {
 public:
  [[nodiscard]] bool contains(const IncidentId& id) const { return known_.contains(id); }
  void add(const IncidentId& id);
  [[nodiscard]] const std::deque<IncidentId>& in_order() const { return order_; }

 private:
  std::set<IncidentId> known_;
  std::deque<IncidentId> order_;
};

}  // namespace akm::policy
