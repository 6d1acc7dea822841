#pragma once
// What may follow a detection at the node, and what a policy says for one class (docs/policy.md).
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/policy/detection.h"

namespace akm::policy {

/// What a node does by itself. Eviction is not among them: only the NMM decides that (adjudication.h).
enum class Response : std::uint8_t {
  revoke_local,  // session keys of all operational ASRs, in keyring and memory; always first
  quarantine,    // the same, and nothing is taken from the NMM but its answer
  report,        // breach-report under the provisioning ASR
  rekey,         // the node's ASRs, staying a member
  hook,          // the configured program
  signal,        // D-Bus
  log,
  zeroize,  // everything, for good: after all that tells of it
};
inline constexpr std::array kResponses{Response::revoke_local, Response::quarantine, Response::report,
                                       Response::rekey,        Response::hook,       Response::signal,
                                       Response::log,          Response::zeroize};
std::string_view response_name(Response response);  // "revoke-local", ...
std::optional<Response> response_by_name(std::string_view name);

/// The lowest grade that it may follow, whatever a policy says: an observation, which anybody can cause,
/// costs nothing, and what cannot be undone needs a critical one.
Grade least_grade(Response response);

enum class Mode : std::uint8_t { observe, enforce };
std::string_view mode_name(Mode mode);
std::optional<Mode> mode_by_name(std::string_view name);

/// How often one grade of one class may lead to responses that tell or cost something: all but log, and but
/// revoke-local and its report, which an attacker must not be able to use up.
struct RateLimit {
  std::uint32_t count = 10;
  std::uint32_t window_s = 60;
  bool operator==(const RateLimit&) const = default;
};

struct ClassPolicy {
  Mode mode = Mode::observe;
  Grade at_most = Grade::critical;  // lowers, never raises: the ceilings are in the code
  std::vector<Response> on_observe;
  std::vector<Response> on_evidence;
  std::vector<Response> on_critical;
  RateLimit limit;
  [[nodiscard]] const std::vector<Response>& on(Grade grade) const;
  bool operator==(const ClassPolicy&) const = default;
};

}  // namespace akm::policy
