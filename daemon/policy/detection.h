#pragma once
// Detections, their grades and what may follow (docs/detections.md). Pure: evidence in, decision out.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace akm::policy {

enum class Grade : std::uint8_t { observe, evidence, critical };
inline constexpr std::size_t kGradeCount = 3;

enum class DetectionClass : std::uint8_t {
  key_access,          // D1
  process_access,      // D2
  state_tampering,     // D10 on state: critical
  config_tampering,    // D10 on configuration: evidence
  forged_frames,       // D27: never more than observe
  cloned_identity,     // D28
  stale_incarnation,   // D28
  sensor_impaired,     // D32
  attestation_failed,  // seen by the NMM: a quote that is not the node's (D22, D23), or other PCRs: evidence
};
inline constexpr std::array kDetectionClasses{
    DetectionClass::key_access,        DetectionClass::process_access,  DetectionClass::state_tampering,
    DetectionClass::config_tampering,  DetectionClass::forged_frames,   DetectionClass::cloned_identity,
    DetectionClass::stale_incarnation, DetectionClass::sensor_impaired, DetectionClass::attestation_failed};
inline constexpr std::size_t kDetectionClassCount = kDetectionClasses.size();

std::string_view detection_name(DetectionClass detection);  // "key-access", ...
std::string_view grade_name(Grade grade);                   // "observe", "evidence", "critical"
/// None when there is no such name: the text comes from a peer or a configuration file.
std::optional<DetectionClass> detection_by_name(std::string_view name);
std::optional<Grade> grade_by_name(std::string_view name);

/// Whether it happened. A refused attempt needs no right at all, so it weighs less than one that succeeded.
enum class Outcome : std::uint8_t { succeeded, refused, unknown };
std::string_view outcome_name(Outcome outcome);

/// One observation, as evidence. Subject fields came from the kernel and are still untrusted text.
struct Detection {
  DetectionClass detection{};
  Outcome outcome = Outcome::succeeded;
  bool privileged = false;                      // the kernel says that root or our own user did it
  std::int64_t boottime_ns = 0;                 // when the kernel saw it
  std::map<std::string, std::string> subject;   // pid, uid, comm, ...
  std::map<std::string, std::string> evidence;  // operation, key serial, path, ...
};

}  // namespace akm::policy
