#include "daemon/protocol/control_method.h"

namespace akm::protocol {

std::string_view method_name(Method method) {
  switch (method) {
    case Method::activate:
      return "activate";
    case Method::heartbeat:
      return "heartbeat";
    case Method::install:
      return "install";
    case Method::switch_generation:
      return "switch";
    case Method::retire:
      return "retire";
    case Method::breach_report:
      return "breach-report";
    case Method::policy:
      return "policy";
    case Method::resync:
      return "resync";
    case Method::rotate_provisioning:
      return "rotate-provisioning";
    case Method::quarantine:
      return "quarantine";
    case Method::zeroize:
      return "zeroize";
    case Method::attest:
      return "attest";
    case Method::issue:
      return "issue";
    case Method::report:
      return "report";
    case Method::records:
      return "records";
    case Method::adopt:
      return "adopt";
    case Method::fence:
      return "fence";
    case Method::configure:
      return "configure";
    case Method::detection_policy:
      return "detection-policy";
  }
  return "unknown";
}

std::string_view control_status_name(ControlStatus status) {
  switch (status) {
    case ControlStatus::ok:
      return "ok";
    case ControlStatus::unknown_asr:
      return "unknown-asr";
    case ControlStatus::stale_generation:
      return "stale-generation";
    case ControlStatus::hardware_mismatch:
      return "hardware-mismatch";
    case ControlStatus::not_activated:
      return "not-activated";
    case ControlStatus::refused_by_policy:
      return "refused-by-policy";
    case ControlStatus::malformed:
      return "malformed";
    case ControlStatus::busy:
      return "busy";
    case ControlStatus::storage_failed:
      return "storage-failed";
    case ControlStatus::not_supported:
      return "not-supported";
  }
  return "unknown";
}

}  // namespace akm::protocol
