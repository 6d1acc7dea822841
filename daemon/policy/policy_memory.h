#pragma once
// What of a policy's memory outlives a restart of the daemon: without it a crash would give back the limits
// that were used up, and a record that comes again would be answered again (docs/policy.md). Times are of one
// boot: after another one, what was done counts as done at the start, so that no limit is passed.
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/base/result.h"
#include "daemon/policy/adjudication.h"
#include "daemon/policy/decision.h"

namespace akm::policy {

/// Name of the record in a role's state.
inline constexpr std::string_view kPolicyMemory = "policy-memory";

using BootId = std::array<std::uint8_t, 16>;

/// Of one class and grade: more answers than this are told together, as done when the last of them was.
inline constexpr std::size_t kAnswersKept = 64;
/// A record of the kernel may come again when the daemon ended while it was at work on it.
inline constexpr std::size_t kIncidentsKept = 256;
inline constexpr std::size_t kActionsKept = 4096;

/// Of a node. How far combinations came is told by the names of their rules.
std::vector<std::uint8_t> encode_memory(const NodePolicy& policy, const PolicyState& state,
                                        const BootId& boot);
/// state_corrupt: `state` is as it was.
Status take_memory(std::span<const std::uint8_t> bytes, const NodePolicy& policy, const BootId& boot,
                   Instant now, PolicyState& state);

/// Of an NMM: what it did, and the reports that it has answered.
struct RecoveryMemory {
  ActionHistory history;
  IncidentMemory incidents;

  [[nodiscard]] std::vector<std::uint8_t> encode(const BootId& boot, Instant now) const;
  /// state_corrupt.
  static Result<RecoveryMemory> decode(std::span<const std::uint8_t> bytes, const BootId& boot, Instant now);
};

}  // namespace akm::policy
