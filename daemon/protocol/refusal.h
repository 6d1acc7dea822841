#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace akm::protocol {

/// Why a frame was refused, cheapest check first (section 4). Each has its own counter.
enum class Refusal : std::uint8_t {
  too_short,
  too_long,
  bad_version,
  bad_type,
  bad_chain,
  unknown_asr,
  unknown_generation,
  unknown_epoch,
  unknown_sender,
  own_index,
  stale_incarnation,
  cloned_identity,
  replayed,
  not_authentic,
  malformed_payload,
  other_addressee,  // a data frame for another member
  not_expected,     // authentic, but it has no meaning now (an old attempt, a type not in use)
  over_limit,       // reassemblies, pending requests
};
inline constexpr std::size_t kRefusalCount = static_cast<std::size_t>(Refusal::over_limit) + 1;
/// As shown to people and in the heartbeat's "refused": "too-short", "not-authentic", ...
std::string_view refusal_name(Refusal refusal);

}  // namespace akm::protocol
