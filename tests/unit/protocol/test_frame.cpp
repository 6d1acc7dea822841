#include "daemon/protocol/frame.h"

#include <criterion/criterion.h>

namespace {

using namespace akm::protocol;
using Bytes = std::vector<std::uint8_t>;

FrameHeader header() {
  return {.type = FrameType::control,
          .chain = Chain::fallback,
          .index = 0x0102,
          .incarnation = 0x03040506,
          .asr_id = 0x0708090a0b0c0d0e,
          .generation = 0x0f101112,
          .epoch = 0x13141516,
          .sequence = 0x1718191a1b1c1d1e,
          .salt = 0x1f202122};
}

FrameCipher cipher(Suite suite = Suite::hkdf_sha256_aes256gcm) {
  auto out = FrameCipher::create(suite, TrafficKey{});
  cr_assert(out.has_value());
  return std::move(*out);
}

Refusal refusal_of(const Bytes& datagram) {
  const auto parsed = parse_header(datagram);
  cr_assert(!parsed.has_value());
  return parsed.error();
}

Test(frame, header_has_the_layout_of_section_4) {
  std::array<std::uint8_t, 36> out{};
  encode_header(header(), out);
  cr_assert_eq(out[0], 0x12);
  for (std::size_t i = 1; i < out.size(); ++i) cr_assert_eq(out[i], i == 1 ? 1 : i - 1, "byte %zu", i);
}

Test(frame, header_parses_to_what_was_written) {
  Bytes datagram(52);
  encode_header(header(), std::span(datagram).first<36>());
  const auto parsed = parse_header(datagram);
  cr_assert(parsed.has_value());
  cr_assert(*parsed == header());
}

Test(frame, cheap_checks_name_their_reason) {
  Bytes good(52);
  encode_header(header(), std::span(good).first<36>());
  cr_assert(refusal_of({}) == Refusal::too_short);
  cr_assert(refusal_of(Bytes(good.begin(), good.end() - 1)) == Refusal::too_short);
  Bytes long_one = good;
  long_one.resize(1201);
  cr_assert(refusal_of(long_one) == Refusal::too_long);
  long_one.resize(1200);
  cr_assert(parse_header(long_one).has_value());
  const auto with = [&](std::size_t place, std::uint8_t byte) {
    Bytes out = good;
    out[place] = byte;
    return out;
  };
  cr_assert(refusal_of(with(0, 0x22)) == Refusal::bad_version);
  cr_assert(refusal_of(with(0, 0x02)) == Refusal::bad_version);
  cr_assert(refusal_of(with(0, 0x10)) == Refusal::bad_type);
  cr_assert(refusal_of(with(0, 0x14)) == Refusal::bad_type);
  cr_assert(refusal_of(with(1, 3)) == Refusal::bad_chain);
  Bytes no_asr = good;
  std::fill_n(no_asr.begin() + 8, 8, std::uint8_t{0});
  cr_assert(refusal_of(no_asr) == Refusal::unknown_asr);
}

Test(frame, seals_and_opens_in_every_suite) {
  for (const Suite suite :
       {Suite::hkdf_sha256_aes256gcm, Suite::hkdf_sha384_aes256gcm, Suite::hkdf_sha256_chacha20poly1305}) {
    FrameCipher sender = cipher(suite);
    FrameCipher receiver = cipher(suite);
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{48}, kFramePayloadBytes}) {
      const Bytes payload(size, 0x5a);
      auto sealed = seal_frame(sender, header(), payload);
      cr_assert(sealed.has_value());
      cr_assert_eq(sealed->size(), size + 52);
      const auto opened = open_frame(receiver, *parse_header(*sealed), *sealed);
      cr_assert(opened.has_value());
      cr_assert(std::equal(opened->begin(), opened->end(), payload.begin(), payload.end()));
    }
  }
}

Test(frame, a_payload_may_stand_in_its_place) {
  FrameCipher sender = cipher();
  Bytes datagram(36 + 5 + 16, 0x33);
  const std::span<std::uint8_t> whole(datagram);
  cr_assert(sender.seal(header(), whole.subspan(36, 5), whole).has_value());
  cr_assert(datagram == *seal_frame(sender, header(), Bytes(5, 0x33)));
}

Test(frame, every_flipped_bit_is_refused) {
  FrameCipher one = cipher();
  const Bytes sealed = *seal_frame(one, header(), Bytes{1, 2, 3});
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes changed = sealed;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
    const auto opened = open_frame(one, header(), changed);
    cr_assert(!opened.has_value());
    cr_assert(opened.error() == Refusal::not_authentic);
  }
}

// The sequence number is in the nonce and in the associated data: a frame opens under its own only.
Test(frame, sequence_numbers_make_different_nonces) {
  FrameCipher one = cipher();
  FrameHeader first = header();
  FrameHeader second = header();
  second.sequence += 1;
  const Bytes a = *seal_frame(one, first, Bytes(8));
  const Bytes b = *seal_frame(one, second, Bytes(8));
  cr_assert(!std::equal(a.begin() + 36, a.end(), b.begin() + 36));
  Bytes copy = a;
  cr_assert(!open_frame(one, second, copy).has_value());
}

Test(frame, sizes_that_cannot_be_are_refused) {
  FrameCipher one = cipher();
  cr_assert_eq(seal_frame(one, header(), Bytes(kFramePayloadBytes + 1)).error().code, akm::Errc::too_large);
  Bytes room(60);
  cr_assert(!one.seal(header(), Bytes(5), room).has_value());
  Bytes tiny(51);
  cr_assert(open_frame(one, header(), tiny).error() == Refusal::too_short);
  cr_assert(!one.open(header(), tiny, {}).has_value());
}

}  // namespace
