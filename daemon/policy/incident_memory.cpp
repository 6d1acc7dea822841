#include "daemon/policy/incident_memory.h"

#include <algorithm>
#include <string>

#include "daemon/crypto/digest.h"

namespace akm::policy {

IncidentId incident_of(const Detection& detection) {
  IncidentId out{.detection = detection.detection, .boottime_ns = detection.boottime_ns};
  std::string facts;
  for (const auto* fields : {&detection.subject, &detection.evidence}) {
    for (const auto& [name, value] : *fields) facts += name + "=" + value + "\n";
  }
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters as the bytes that they are
  const auto digest = crypto::sha256({{reinterpret_cast<const std::uint8_t*>(facts.data()), facts.size()}});
  std::copy_n(digest.begin(), out.facts.size(), out.facts.begin());
  return out;
}

void IncidentMemory::add(const IncidentId& id) {
  if (!known_.insert(id).second) return;
  order_.push_back(id);
  if (order_.size() <= kIncidentsRemembered) return;
  known_.erase(order_.front());
  order_.pop_front();
}

}  // namespace akm::policy
