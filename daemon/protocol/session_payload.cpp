#include "daemon/protocol/session_payload.h"

#include <algorithm>

#include "daemon/base/cursor.h"
#include "daemon/protocol/limits.h"

namespace akm::protocol {
namespace {

constexpr std::uint8_t kClosingFlag = 0x01;

// Which fields go together (section 5). The same rules hold for what is written and for what is read.
Status check(const SessionPayload& payload) {
  const auto bad = [](const char* what) { return fail(Errc::malformed, what); };
  const bool outside = payload.initiator == kNoInitiator;
  const bool zeros = std::ranges::all_of(payload.value, [](std::uint8_t byte) { return byte == 0; });
  bool wants_bitmap = false;
  switch (payload.event) {
    case SessionEvent::se:
      if (outside != zeros) return bad("SE: a transcript belongs to an attempt");
      break;
    case SessionEvent::sei:
      wants_bitmap = payload.closing;
      break;
    case SessionEvent::sec:
    case SessionEvent::sef:
      wants_bitmap = true;
      break;
  }
  if (payload.closing && payload.event != SessionEvent::sei) return bad("only an SEI closes");
  if (payload.event != SessionEvent::se && (outside || payload.initiator >= limits::kMembers))
    return bad("initiator");
  if (payload.event == SessionEvent::se && !outside && payload.initiator >= limits::kMembers)
    return bad("initiator");
  if (payload.event != SessionEvent::se && zeros) return bad("no contribution, digest or transcript");
  if (payload.target == 0) return bad("target epoch 0");
  const std::size_t length = payload.bitmap.bytes().size();
  if ((length != 0) != wants_bitmap || length > limits::kBitmapBytes) return bad("bitmap");
  return {};
}

}  // namespace

Status encode_session_payload(const SessionPayload& payload, std::span<std::uint8_t> out) {
  AKM_TRY(check(payload));
  if (out.size() != encoded_size(payload)) return fail(Errc::invalid_argument, "room for a session payload");
  Writer writer(out);
  writer.u8(static_cast<std::uint8_t>(payload.event));
  writer.u8(payload.closing ? kClosingFlag : 0);
  writer.u16(payload.initiator);
  writer.u32(payload.target);
  writer.u32(payload.high_epoch);
  writer.u16(static_cast<std::uint16_t>(payload.bitmap.bytes().size()));
  writer.u16(0);
  writer.bytes(payload.value);
  writer.bytes(payload.bitmap.bytes());
  return {};
}

Result<SessionPayload> decode_session_payload(std::span<const std::uint8_t> bytes) {
  Reader reader(bytes);
  SessionPayload out;
  const std::uint8_t event = reader.u8();
  const std::uint8_t flags = reader.u8();
  out.initiator = reader.u16();
  out.target = reader.u32();
  out.high_epoch = reader.u32();
  const std::uint16_t bitmap_bytes = reader.u16();
  const std::uint16_t reserved = reader.u16();
  const auto value = reader.bytes(out.value.size());
  const auto bitmap = reader.bytes(bitmap_bytes);
  if (!reader.done()) return fail(Errc::malformed, "length of a session payload");
  if (event > static_cast<std::uint8_t>(SessionEvent::sef)) return fail(Errc::malformed, "event");
  if ((flags & ~kClosingFlag) != 0 || reserved != 0) return fail(Errc::malformed, "reserved bits");
  if (bitmap.size() > limits::kBitmapBytes) return fail(Errc::malformed, "bitmap");
  out.event = static_cast<SessionEvent>(event);
  out.closing = flags == kClosingFlag;
  std::ranges::copy(value, out.value.begin());
  out.bitmap = Bitmap::from_bytes(bitmap);
  AKM_TRY(check(out));
  return out;
}

}  // namespace akm::protocol
