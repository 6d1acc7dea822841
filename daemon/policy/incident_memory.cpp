#include "daemon/policy/incident_memory.h"

#include <utility>

namespace akm::policy {

IncidentId incident_of(const Detection& detection) {
  IncidentId out{.detection = detection.detection, .boottime_ns = detection.boottime_ns};
  for (const auto* fields : {&detection.subject, &detection.evidence}) {
    for (const auto& [name, value] : *fields) out.facts += name + "=" + value + "\n";
  }
  return out;
}

void IncidentMemory::add(IncidentId id) {
  if (!known_.insert(id).second) return;
  order_.push_back(std::move(id));
  if (order_.size() <= kIncidentsRemembered) return;
  known_.erase(order_.front());
  order_.pop_front();
}

}  // namespace akm::policy
