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

/// In the order of kCatalogue (catalogue.h), which says what each is. New ones go to the end.
enum class DetectionClass : std::uint8_t {
  key_access,            // D1
  process_access,        // D2
  state_tampering,       // D10
  config_tampering,      // D10
  forged_frames,         // D27
  cloned_identity,       // D28
  stale_incarnation,     // D28
  sensor_impaired,       // D32
  attestation_failed,    // D22
  process_inspection,    // D3
  kernel_memory,         // D4
  module_load,           // D5
  bpf_use,               // D6
  bpf_tampering,         // D6
  sensor_tampering,      // D7
  daemon_signal,         // D8
  tpm_access,            // D9
  hiding_mount,          // D11
  core_dump_redirected,  // D12
  hardening_weakened,    // D13
  mac_disabled,          // D14
  kexec_load,            // D15
  debugger_started,      // D16
  fileless_execution,    // D17
  foreign_code,          // D18
  service_tampering,     // D19
  io_uring_use,          // D20
  usb_insertion,         // D21
  hardware_changed,      // D22
  identity_changed,      // D22
  tpm_interposed,        // D23
  consumer_key_dump,     // D24
  packet_capture,        // D25
  network_scan,          // D26
  clock_jump,            // D29
  audit_impaired,        // D30
  privilege_gain,        // D31
  tamper_input,          // D33
  combined_evidence,     // of several rows (combination.h)
};
inline constexpr std::size_t kDetectionClassCount =
    static_cast<std::size_t>(DetectionClass::combined_evidence) + 1;
inline constexpr auto kDetectionClasses = [] {
  std::array<DetectionClass, kDetectionClassCount> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<DetectionClass>(i);
  return out;
}();

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
  Grade at_most = Grade::critical;              // where this one weighs less than its class may
  std::int64_t boottime_ns = 0;                 // when the kernel saw it
  std::map<std::string, std::string> subject;   // pid, uid, comm, ...
  std::map<std::string, std::string> evidence;  // operation, key serial, path, ...
};

}  // namespace akm::policy
