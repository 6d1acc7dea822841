#include "daemon/policy/incident.h"

#include <algorithm>
#include <array>

#include "daemon/base/cursor.h"
#include "daemon/crypto/digest.h"

namespace akm::policy {
namespace {

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters as the bytes that they are
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Threads of one process do one thing.
std::string cause_of(const Detection& detection) {
  for (const char* name : {"tgid", "pid", "node_id"}) {
    const auto at = detection.subject.find(name);
    if (at != detection.subject.end()) return name + ("=" + at->second);
  }
  return std::string(detection_name(detection.detection));
}

}  // namespace

std::uint64_t incident_id(std::uint64_t reporter, std::string_view what, std::int64_t boottime_ns) {
  std::array<std::uint8_t, 16> numbers{};
  Writer writer(numbers);
  writer.u64(reporter);
  writer.u64(static_cast<std::uint64_t>(boottime_ns));
  const auto digest = crypto::sha256({bytes_of("akm incident 1"), numbers, bytes_of(what)});
  Reader reader(digest);
  const std::uint64_t id = reader.u64();
  return id == 0 ? 1 : id;
}

std::uint64_t IncidentBook::assign(const Detection& detection, Grade grade, std::uint64_t node_id,
                                   Instant now) {
  if (grade == Grade::observe) return 0;
  if (standing_ != 0) return standing_;
  std::erase_if(open_, [&](const auto& entry) { return now - entry.second.last > kOneCause; });
  const std::string cause = cause_of(detection);
  const auto at = open_.find(cause);
  if (at != open_.end()) {
    at->second.last = now;
    return at->second.incident;
  }
  const std::uint64_t incident =
      incident_id(node_id, detection_name(detection.detection), detection.boottime_ns);
  if (open_.size() >= kOpen) {
    open_.erase(std::ranges::min_element(open_, {}, [](const auto& entry) { return entry.second.last; }));
  }
  open_.emplace(cause, Open{incident, now});
  return incident;
}

void IncidentBook::stand(std::uint64_t incident, Instant now) {
  standing_ = incident;
  stood_ = now;
}

std::uint64_t IncidentBook::standing(bool in_quarantine, Instant now) {
  if (standing_ == 0) return 0;
  if (in_quarantine) {
    stood_ = now;
  } else if (now - stood_ > kOneCause) {
    standing_ = 0;
    open_.clear();
  }
  return standing_;
}

}  // namespace akm::policy
