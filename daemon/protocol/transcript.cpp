#include "daemon/protocol/transcript.h"

#include <algorithm>

#include "daemon/base/cursor.h"
#include "daemon/crypto/digest.h"

namespace akm::protocol {

Result<Digest32> contributions_digest(std::span<const Contribution> participants) {
  if (participants.empty()) return fail(Errc::invalid_argument, "no contributions");
  crypto::Sha256 hash;
  const Contribution* before = nullptr;
  for (const Contribution& one : participants) {
    if (before != nullptr && one.index <= before->index) {
      return fail(Errc::invalid_argument, "contributions go by rising index");
    }
    before = &one;
    std::array<std::uint8_t, 2> index{};
    Writer(index).u16(one.index);
    std::array<std::uint8_t, 4> high_epoch{};
    Writer(high_epoch).u32(one.high_epoch);
    hash.update(index);
    hash.update(one.value);
    hash.update(high_epoch);
  }
  return hash.finish();
}

std::uint32_t highest_epoch(std::span<const Contribution> participants) {
  std::uint32_t out = 0;
  for (const Contribution& one : participants) out = std::max(out, one.high_epoch);
  return out;
}

Digest32 transcript(const KeyContext& context, Chain chain, std::uint32_t target, std::uint16_t initiator,
                    std::uint32_t high_epoch, const Digest32& contributions, const Bitmap& participants) {
  static constexpr std::array<std::uint8_t, 16> kLabel{'a', 'k', 'm', '1', ' ', 't', 'r', 'a',
                                                       'n', 's', 'c', 'r', 'i', 'p', 't', 0};
  const ContextBytes bound = encode_context(context, chain, target);
  std::array<std::uint8_t, 6> attempt{};
  Writer writer(attempt);
  writer.u16(initiator);
  writer.u32(high_epoch);
  return crypto::sha256({kLabel, bound, attempt, contributions, participants.bytes()});
}

}  // namespace akm::protocol
