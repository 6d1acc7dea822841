#pragma once
// Section 3: from (PDV, seed) to session secrets, traffic keys, exports and re-roots. Pure functions; keys go
// in and come out as secrets.
#include <cstdint>
#include <span>
#include <string_view>

#include "daemon/protocol/asr.h"

namespace akm::protocol {

/// What a step or a key is bound to.
struct KeyContext {
  Suite suite{};
  AsrId asr_id = 0;
  std::uint32_t generation = 0;
  Digest32 roster_hash{};
};

inline constexpr std::size_t kContextBytes = 2 + 8 + 4 + 1 + 4 + 32;
using ContextBytes = std::array<std::uint8_t, kContextBytes>;
/// context(chain, epoch), as it goes into every derivation and into the transcript.
ContextBytes encode_context(const KeyContext& context, Chain chain, std::uint32_t epoch);

struct Step {
  SecretBuffer session_secret;  // 32 or 48 bytes: the suite's hash length
  SecretBuffer prk;             // the same length; needed for a re-root only
  ChainState next;              // epoch = target
};

/// One step of `chain` to `target`. `contributions`: empty, or the 32-byte transcript of section 5.
Result<Step> step_chain(const KeyContext& context, Chain chain, const ChainState& base, std::uint32_t target,
                        std::span<const std::uint8_t> contributions);

struct TrafficKey {
  SecretBytes<32> key;
  SecretBytes<12> iv;
};
Result<TrafficKey> sender_key(Suite suite, const SecretBuffer& session_secret, std::uint16_t index,
                              std::uint32_t incarnation, std::uint32_t salt);

/// Key of `length` bytes (1 to 1024) for a local consumer; `name` up to 255 bytes, `consumer` up to 255.
Result<SecretBuffer> export_key(const KeyContext& context, Chain chain, std::uint32_t epoch,
                                const SecretBuffer& session_secret, std::string_view name,
                                std::span<const std::uint8_t> consumer, std::size_t length);

Result<KeyCheckValue> key_check_value(const KeyContext& context, Chain chain, std::uint32_t epoch,
                                      const SecretBuffer& session_secret);

/// Re-root of `target_chain` (normal or fallback) on committing `stepped` at epoch `t` with high epoch `e`.
/// The result stands at epoch `e`; the caller steps it once with no contributions.
Result<ChainState> reroot(const KeyContext& context, Chain target_chain, Chain stepped, std::uint32_t t,
                          std::uint32_t e, const SecretBuffer& prk);

}  // namespace akm::protocol
