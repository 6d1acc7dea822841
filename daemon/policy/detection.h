#pragma once
// Detections, their grades and what may follow (docs/detections.md). Pure: evidence in, decision out.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace akm::policy {

enum class Grade : std::uint8_t { observe, evidence, critical };

enum class DetectionClass : std::uint8_t {
  key_access,           // D1
  process_access,       // D2
  state_tampering,      // D10 on state: critical
  config_tampering,     // D10 on configuration: evidence
  forged_frames,        // D27: never more than observe
  cloned_identity,      // D28
  stale_incarnation,    // D28
  sensor_impaired,      // D32
};
std::string_view detection_name(DetectionClass detection);  // "key-access", ...
std::string_view grade_name(Grade grade);

/// One observation, as evidence. Subject fields came from the kernel and are still untrusted text.
struct Detection {
  DetectionClass detection{};
  std::int64_t boottime_ns = 0;  // when the kernel saw it
  std::map<std::string, std::string> subject;   // pid, uid, comm, ...
  std::map<std::string, std::string> evidence;  // operation, key serial, path, ...
};

}  // namespace akm::policy
