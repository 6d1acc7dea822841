#pragma once
// Methods and statuses of control messages (section 6).
#include <cstdint>
#include <string_view>

namespace akm::protocol {

enum class Method : std::uint8_t {
  activate = 1,
  heartbeat = 2,
  install = 3,
  switch_generation = 4,
  retire = 5,
  breach_report = 6,
  policy = 7,
  resync = 8,
  rotate_provisioning = 9,
  quarantine = 10,
  zeroize = 11,
  attest = 12,
  // Between Root and NMM (section 7, "The Root").
  issue = 13,
  report = 14,
  records = 15,
  adopt = 16,
  fence = 17,
  configure = 18,
  // NMM to node.
  detection_policy = 19,
};
inline constexpr Method kLastMethod = Method::detection_policy;

enum class ControlStatus : std::uint16_t {
  ok = 0,
  unknown_asr = 1,
  stale_generation = 2,
  hardware_mismatch = 3,
  not_activated = 4,
  refused_by_policy = 5,
  malformed = 6,
  busy = 7,
  storage_failed = 8,
  not_supported = 9,
};

std::string_view method_name(Method method);
std::string_view control_status_name(ControlStatus status);

}  // namespace akm::protocol
