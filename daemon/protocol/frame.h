#pragma once
// Frames (section 4): header, sealing and opening. What a receiver checks between parsing and opening needs
// its state and stands in the engine.
#include <cstdint>
#include <expected>
#include <span>
#include <vector>

#include "daemon/crypto/aead.h"
#include "daemon/protocol/key_schedule.h"
#include "daemon/protocol/limits.h"
#include "daemon/protocol/refusal.h"

namespace akm::protocol {

enum class FrameType : std::uint8_t { session = 1, control = 2, data = 3 };
inline constexpr std::uint8_t kProtocolVersion = 1;
inline constexpr std::size_t kFrameOverheadBytes = limits::kFrameHeaderBytes + limits::kTagBytes;
inline constexpr std::size_t kFramePayloadBytes = limits::kFrameBytes - kFrameOverheadBytes;

/// Fields in wire order.
struct FrameHeader {
  FrameType type = FrameType::session;
  Chain chain = Chain::normal;
  std::uint16_t index = 0;
  std::uint32_t incarnation = 0;
  AsrId asr_id = 0;
  std::uint32_t generation = 0;
  std::uint32_t epoch = 0;
  std::uint64_t sequence = 0;
  std::uint32_t salt = 0;
  bool operator==(const FrameHeader&) const = default;
};

/// Writes the 36 bytes; they are the associated data.
void encode_header(const FrameHeader& header, std::span<std::uint8_t, limits::kFrameHeaderBytes> out);
/// The checks that need no state: length, version, type, chain, asr_id 0 (unknown_asr). The result is not
/// authenticated.
std::expected<FrameHeader, Refusal> parse_header(std::span<const std::uint8_t> datagram);

/// One sender's key, ready for use: the cipher's context is kept, each frame sets its nonce only.
class FrameCipher {
 public:
  static Result<FrameCipher> create(Suite suite, const TrafficKey& key);

  /// The whole datagram into `out`, which is payload + kFrameOverheadBytes long. `payload` may already stand
  /// in its place, out.subspan(36). too_large above kFramePayloadBytes. The sender counts: no sequence number
  /// twice, and none from limits::kFramesPerKey on.
  Status seal(const FrameHeader& header, std::span<const std::uint8_t> payload, std::span<std::uint8_t> out);
  /// Authenticates the whole datagram and writes the payload to `out` (datagram.size() - kFrameOverheadBytes
  /// bytes; may be in place: datagram.subspan(36)). On failure `out` is wiped and nothing may be believed, so
  /// decrypt into another place where a second key may have to be tried.
  Status open(const FrameHeader& header, std::span<const std::uint8_t> datagram, std::span<std::uint8_t> out);

 private:
  FrameCipher(crypto::Aead aead, SecretBytes<12> iv) : aead_(std::move(aead)), iv_(std::move(iv)) {}

  crypto::Aead aead_;
  SecretBytes<12> iv_;
};

/// For senders that have no buffer of their own.
Result<std::vector<std::uint8_t>> seal_frame(FrameCipher& cipher, const FrameHeader& header,
                                             std::span<const std::uint8_t> payload);
/// Opens in place and returns the payload inside `datagram`; not_authentic leaves the datagram useless.
std::expected<std::span<std::uint8_t>, Refusal> open_frame(FrameCipher& cipher, const FrameHeader& header,
                                                           std::span<std::uint8_t> datagram);

}  // namespace akm::protocol
