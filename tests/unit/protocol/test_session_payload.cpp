#include "daemon/protocol/session_payload.h"

#include <criterion/criterion.h>

namespace {

using namespace akm::protocol;
using Bytes = std::vector<std::uint8_t>;

SessionPayload payload(SessionEvent event, bool closing = false) {
  SessionPayload out;
  out.event = event;
  out.closing = closing;
  out.initiator = 3;
  out.target = 9;
  out.high_epoch = 8;
  out.value.fill(0x77);
  const std::array<std::uint8_t, 2> bits{0xf0, 0x80};
  if (closing || event == SessionEvent::sec || event == SessionEvent::sef)
    out.bitmap = Bitmap::from_bytes(bits);
  return out;
}

SessionPayload outside() {
  SessionPayload out;
  out.target = 4;
  out.high_epoch = 4;
  return out;
}

Bytes encode(const SessionPayload& in) {
  Bytes out(encoded_size(in));
  cr_assert(encode_session_payload(in, out).has_value());
  return out;
}

bool malformed(const Bytes& bytes) {
  const auto decoded = decode_session_payload(bytes);
  return !decoded.has_value() && decoded.error().code == akm::Errc::malformed;
}

Test(session_payload, round_trip_of_every_event) {
  for (const SessionPayload& one :
       {payload(SessionEvent::se), outside(), payload(SessionEvent::sei), payload(SessionEvent::sei, true),
        payload(SessionEvent::sec), payload(SessionEvent::sef)}) {
    const auto decoded = decode_session_payload(encode(one));
    cr_assert(decoded.has_value());
    cr_assert(*decoded == one);
  }
}

Test(session_payload, layout_is_that_of_section_5) {
  const Bytes bytes = encode(payload(SessionEvent::sei, true));
  const Bytes head{1, 1, 0, 3, 0, 0, 0, 9, 0, 0, 0, 8, 0, 2, 0, 0};
  cr_assert(std::equal(head.begin(), head.end(), bytes.begin()));
  cr_assert_eq(bytes[16], 0x77);
  cr_assert_eq(bytes[48], 0xf0);
  cr_assert_eq(bytes.size(), 50);
}

Test(session_payload, every_other_length_is_refused) {
  const Bytes bytes = encode(payload(SessionEvent::sec));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    cr_assert(malformed(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size))));
  }
  Bytes longer = bytes;
  longer.push_back(0);
  cr_assert(malformed(longer));
}

Test(session_payload, reserved_and_unknown_values_are_refused) {
  const auto with = [](const SessionPayload& one, std::size_t place, std::uint8_t byte) {
    Bytes out = encode(one);
    out[place] = byte;
    return malformed(out);
  };
  const SessionPayload sei = payload(SessionEvent::sei);
  cr_assert(with(sei, 0, 4), "event");
  cr_assert(with(sei, 1, 2), "flag");
  cr_assert(with(sei, 1, 1), "closing without a bitmap");
  cr_assert(with(sei, 14, 1), "reserved");
  cr_assert(with(sei, 15, 1), "reserved");
  cr_assert(with(sei, 2, 0xff), "initiator");
  cr_assert(with(payload(SessionEvent::sec), 1, 1), "closing SEC");
  cr_assert(with(payload(SessionEvent::sei, true), 1, 0), "bitmap in an SEI");
  cr_assert(with(payload(SessionEvent::sec), 0, 0), "bitmap in an SE");
}

Test(session_payload, fields_that_contradict_each_other_are_neither_written_nor_read) {
  const auto refused = [](SessionPayload one, auto&& change) {
    change(one);
    Bytes out(encoded_size(one));
    return !encode_session_payload(one, out).has_value();
  };
  cr_assert(refused(outside(), [](auto& one) { one.value[0] = 1; }), "transcript outside an attempt");
  cr_assert(refused(payload(SessionEvent::se), [](auto& one) { one.value.fill(0); }),
            "attempt without transcript");
  cr_assert(refused(payload(SessionEvent::sei), [](auto& one) { one.value.fill(0); }), "no contribution");
  cr_assert(refused(payload(SessionEvent::sei), [](auto& one) { one.initiator = kNoInitiator; }));
  cr_assert(refused(payload(SessionEvent::sef), [](auto& one) { one.initiator = 4096; }));
  cr_assert(refused(payload(SessionEvent::sef), [](auto& one) { one.bitmap = {}; }));
  cr_assert(
      refused(payload(SessionEvent::sef), [](auto& one) { one.bitmap = Bitmap::from_bytes(Bytes(513)); }));
  cr_assert(refused(payload(SessionEvent::sef), [](auto& one) { one.target = 0; }));
  Bytes small(10);
  cr_assert(!encode_session_payload(outside(), small).has_value());
}

}  // namespace
