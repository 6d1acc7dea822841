#pragma once
// The payload of session frames (section 5).
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/base/secret.h"
#include "daemon/protocol/bitmap.h"

namespace akm::protocol {

enum class SessionEvent : std::uint8_t { se = 0, sei = 1, sec = 2, sef = 3 };
inline constexpr std::uint16_t kNoInitiator = 0xffff;    // SE outside an attempt
inline constexpr std::size_t kSessionPayloadBytes = 48;  // without the bitmap

/// Fields in wire order. `value` may be a contribution and is wiped.
struct SessionPayload {
  SessionEvent event = SessionEvent::se;
  bool closing = false;  // SEI of the initiator only
  std::uint16_t initiator = kNoInitiator;
  std::uint32_t target = 0;              // SE: the committed epoch
  std::uint32_t high_epoch = 0;          // SEI: the sender's; closing SEI and later: E
  std::array<std::uint8_t, 32> value{};  // SEI: contribution; closing SEI: D; later: transcript
  Bitmap bitmap;                         // closing SEI: P; SEC, SEF: reached this phase; else empty

  SessionPayload() = default;
  SessionPayload(const SessionPayload&) = default;
  SessionPayload& operator=(const SessionPayload&) = default;
  SessionPayload(SessionPayload&&) = default;
  SessionPayload& operator=(SessionPayload&&) = default;
  ~SessionPayload() { wipe(value.data(), value.size()); }
  bool operator==(const SessionPayload&) const = default;
};

[[nodiscard]] inline std::size_t encoded_size(const SessionPayload& payload) {
  return kSessionPayloadBytes + payload.bitmap.bytes().size();
}
/// `out` is encoded_size() long.
Status encode_session_payload(const SessionPayload& payload, std::span<std::uint8_t> out);
/// malformed: unknown event, a flag or reserved byte that is set, a bitmap where none belongs or none where
/// one does, another length, a closing flag on anything but an SEI, an SE outside an attempt with a
/// transcript, an SE, SEC or SEF in an attempt without one. Whether sender, target and bitmap fit the ASR is
/// for the machine (Bitmap::fits).
Result<SessionPayload> decode_session_payload(std::span<const std::uint8_t> bytes);

}  // namespace akm::protocol
