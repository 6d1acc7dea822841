#pragma once
// What the Root has not heard yet (section 7, "The Root"). Nodes and relationships are reported in their
// newest state, so that a long outage of the Root costs no memory: each has the number of its last change,
// and the Root acknowledges numbers. Incidents are kept one by one, the oldest go first.
#include <cstdint>
#include <deque>

#include "daemon/base/control_types.h"
#include "daemon/nmm/registry.h"
#include "daemon/protocol/root_body.h"

namespace akm::nmm {

inline constexpr std::size_t kIncidentsKept = 128;
/// Events of this syslog severity and worse are incidents.
inline constexpr std::uint8_t kIncidentSeverity = 4;

class ReportLog {
 public:
  ReportLog(store::SealedStore& store, Registry& registry) : store_(store), registry_(registry) {}

  /// After the registry's. A record that is of no use is begun anew: incidents only inform.
  void load();
  /// Durable when it returns, if it is an incident at all; where storing fails it is kept in memory.
  void note(const EventRecord& event);
  /// The Root does not have everything.
  [[nodiscard]] bool behind(std::uint64_t acked) const { return registry_.last_change() > acked; }
  /// How many things the Root has not heard of.
  [[nodiscard]] std::size_t pending(std::uint64_t acked) const;
  /// The next of it, oldest change first.
  [[nodiscard]] protocol::ReportRequest next(std::uint64_t acked) const;
  /// The Root has everything up to here.
  void acknowledged(std::uint64_t upto);

 private:
  void save();

  store::SealedStore& store_;
  Registry& registry_;
  std::deque<protocol::ReportedIncident> incidents_;
  std::uint64_t lost_ = 0;
};

}  // namespace akm::nmm
