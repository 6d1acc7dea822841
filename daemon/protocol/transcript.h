#pragma once
// What the members of an establishment agree on (section 5): D, E and the transcript. The bitmap is in
// bitmap.h.
#include <cstdint>
#include <span>

#include "daemon/protocol/bitmap.h"
#include "daemon/protocol/key_schedule.h"

namespace akm::protocol {

/// One participant's share, borrowed from where the machine keeps it.
struct Contribution {
  std::uint16_t index = 0;
  std::span<const std::uint8_t, 32> value;
  std::uint32_t high_epoch = 0;
};

/// D over P by rising index. invalid_argument when the order is another or P is empty.
Result<Digest32> contributions_digest(std::span<const Contribution> participants);
/// E: the highest of the high epochs; 0 for none.
[[nodiscard]] std::uint32_t highest_epoch(std::span<const Contribution> participants);
/// The 32 bytes that the step of `chain` to `target` takes as its contributions.
[[nodiscard]] Digest32 transcript(const KeyContext& context, Chain chain, std::uint32_t target,
                                  std::uint16_t initiator, std::uint32_t high_epoch,
                                  const Digest32& contributions, const Bitmap& participants);

}  // namespace akm::protocol
