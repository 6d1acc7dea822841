#include "daemon/policy/response.h"

namespace akm::policy {

std::string_view response_name(Response response) {
  switch (response) {
    case Response::revoke_local:
      return "revoke-local";
    case Response::quarantine:
      return "quarantine";
    case Response::report:
      return "report";
    case Response::rekey:
      return "rekey";
    case Response::hook:
      return "hook";
    case Response::signal:
      return "signal";
    case Response::log:
      return "log";
    case Response::zeroize:
      return "zeroize";
  }
  return "unknown";
}

std::optional<Response> response_by_name(std::string_view name) {
  for (const Response response : kResponses) {
    if (response_name(response) == name) return response;
  }
  return std::nullopt;
}

Grade least_grade(Response response) {
  switch (response) {
    case Response::log:
    case Response::signal:
      return Grade::observe;
    case Response::revoke_local:
    case Response::quarantine:
    case Response::report:
    case Response::rekey:
    case Response::hook:
      return Grade::evidence;
    case Response::zeroize:
      return Grade::critical;
  }
  return Grade::critical;
}

std::string_view mode_name(Mode mode) {
  switch (mode) {
    case Mode::observe:
      return "observe";
    case Mode::enforce:
      return "enforce";
  }
  return "unknown";
}

std::optional<Mode> mode_by_name(std::string_view name) {
  for (const Mode mode : {Mode::observe, Mode::enforce}) {
    if (mode_name(mode) == name) return mode;
  }
  return std::nullopt;
}

const std::vector<Response>& ClassPolicy::on(Grade grade) const {
  switch (grade) {
    case Grade::observe:
      return on_observe;
    case Grade::evidence:
      return on_evidence;
    case Grade::critical:
      return on_critical;
  }
  return on_observe;
}

}  // namespace akm::policy
