#include "daemon/protocol/control_message.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <numeric>

namespace {

using namespace akm::protocol;
using Bytes = std::vector<std::uint8_t>;

Bytes body_of(std::size_t size) {
  Bytes out(size);
  std::iota(out.begin(), out.end(), std::uint8_t{0});
  return out;
}

FragmentHeader header(std::uint32_t id = 5) {
  return {.request_id = id, .kind = MessageKind::request, .method = Method::install};
}

std::vector<Bytes> cut(const Bytes& body, const FragmentHeader& first = header()) {
  const auto fragmenter = Fragmenter::create(first, body);
  cr_assert(fragmenter.has_value());
  std::vector<Bytes> out;
  for (std::uint16_t i = 0; i < fragmenter->count(); ++i) {
    out.emplace_back(fragmenter->payload_size(i));
    fragmenter->write(i, out.back());
  }
  return out;
}

Bytes encode(const FragmentHeader& one, std::size_t size = 0) {
  Bytes out(kFragmentHeaderBytes + size);
  encode_fragment_header(one, std::span(out).first<kFragmentHeaderBytes>());
  return out;
}

bool refused(const FragmentHeader& one, std::size_t size = 0) {
  return !decode_fragment(encode(one, size)).has_value();
}

Test(control_message, header_has_the_layout_of_section_6) {
  const Bytes bytes = encode({.request_id = 0x01020304,
                              .kind = MessageKind::response,
                              .method = Method::attest,
                              .fragment = 0,
                              .fragments = 1,
                              .status = ControlStatus::busy});
  cr_assert(bytes == Bytes({1, 2, 3, 4, 1, 12, 0, 0, 0, 1, 0, 7}));
}

Test(control_message, unknown_and_impossible_headers_are_refused) {
  cr_assert(!refused(header()));
  FragmentHeader one = header();
  one.kind = static_cast<MessageKind>(3);
  cr_assert(refused(one));
  one = header();
  one.method = static_cast<Method>(0);
  cr_assert(refused(one));
  one.method = static_cast<Method>(static_cast<std::uint8_t>(kLastMethod) + 1);
  cr_assert(refused(one));
  one = header();
  one.status = ControlStatus::busy;
  cr_assert(refused(one), "only a response has a status");
  one.kind = MessageKind::response;
  cr_assert(!refused(one));
  one.status = static_cast<ControlStatus>(10);
  cr_assert(refused(one));
  one = header();
  one.fragments = 0;
  cr_assert(refused(one));
  one.fragments = 65;
  cr_assert(refused(one));
  one.fragments = 2;
  one.fragment = 2;
  cr_assert(refused(one, 1));
  one.fragment = 0;
  cr_assert(refused(one, kFragmentBytes - 1), "only the last may be short");
  cr_assert(!refused(one, kFragmentBytes));
  cr_assert(refused(one, kFragmentBytes + 1));
  one.fragment = 1;
  cr_assert(refused(one, 0), "an empty one among several");
  cr_assert(!refused(one, 1));
  for (std::size_t size = 0; size < kFragmentHeaderBytes; ++size) {
    cr_assert(!decode_fragment(Bytes(size)).has_value());
  }
}

Test(control_message, bodies_of_all_border_sizes_come_back) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kFragmentBytes - 1, kFragmentBytes,
                                 kFragmentBytes + 1, 3 * kFragmentBytes, limits::kRequestBodyBytes}) {
    const Bytes body = body_of(size);
    std::vector<Bytes> payloads = cut(body);
    std::ranges::reverse(payloads);  // order does not matter
    Reassembler reassembler;
    for (std::size_t i = 0; i < payloads.size(); ++i) {
      cr_assert(payloads[i].size() <= kFramePayloadBytes);
      const auto fragment = decode_fragment(payloads[i]);
      cr_assert(fragment.has_value());
      const auto message = reassembler.add(*fragment);
      cr_assert(message.has_value());
      cr_assert_eq(message->has_value(), i + 1 == payloads.size());
      if (!message->has_value()) continue;
      cr_assert(std::ranges::equal((*message)->body.reveal(), body));
      cr_assert_eq((*message)->header.request_id, 5);
      cr_assert_eq((*message)->header.fragment, 0);
    }
    cr_assert_eq(reassembler.pending(), 0);
  }
}

Test(control_message, a_body_that_is_too_large_is_refused) {
  cr_assert_eq(Fragmenter::create(header(), body_of(limits::kRequestBodyBytes + 1)).error().code,
               akm::Errc::too_large);
  // One that a peer cut by itself: 58 full fragments are more than the limit.
  Reassembler reassembler;
  FragmentHeader one = header();
  one.fragments = 58;
  const Bytes full(kFragmentBytes);
  for (std::uint16_t i = 0; i < 57; ++i) {
    one.fragment = i;
    cr_assert(reassembler.add({one, full}).has_value());
  }
  one.fragment = 57;
  cr_assert_eq(reassembler.add({one, full}).error().code, akm::Errc::too_large);
  cr_assert_eq(reassembler.pending(), 0);
}

Test(control_message, repeated_fragments_change_nothing) {
  const Bytes body = body_of(2 * kFragmentBytes);
  const std::vector<Bytes> payloads = cut(body);
  Reassembler reassembler;
  cr_assert(!reassembler.add(*decode_fragment(payloads[0]))->has_value());
  Bytes other = payloads[0];
  other.back() ^= 1;
  cr_assert(!reassembler.add(*decode_fragment(other))->has_value());
  const auto message = reassembler.add(*decode_fragment(payloads[1]));
  cr_assert(std::ranges::equal((*message)->body.reveal(), body), "the first one counts");
}

Test(control_message, fragments_that_contradict_each_other_are_refused) {
  Reassembler reassembler;
  const Bytes full(kFragmentBytes);
  FragmentHeader one = header();
  one.fragments = 3;
  cr_assert(reassembler.add({one, full}).has_value());
  FragmentHeader other = one;
  other.fragment = 1;
  other.method = Method::policy;
  cr_assert_eq(reassembler.add({other, full}).error().code, akm::Errc::malformed);
  other = one;
  other.fragment = 1;
  other.fragments = 4;
  cr_assert_eq(reassembler.add({other, full}).error().code, akm::Errc::malformed);
}

// A request and a response of the same number are two messages.
Test(control_message, kinds_are_kept_apart) {
  Reassembler reassembler;
  const Bytes full(kFragmentBytes);
  FragmentHeader one = header();
  one.fragments = 2;
  cr_assert(reassembler.add({one, full}).has_value());
  one.kind = MessageKind::response;
  cr_assert(reassembler.add({one, full}).has_value());
  cr_assert_eq(reassembler.pending(), 2);
}

Test(control_message, the_oldest_of_too_many_gives_way) {
  Reassembler reassembler;
  const Bytes body = body_of(2 * kFragmentBytes);
  for (std::uint32_t id = 0; id < limits::kReassembliesPerPeer + 3; ++id) {
    cr_assert(!reassembler.add(*decode_fragment(cut(body, header(id))[0]))->has_value());
    cr_assert(reassembler.pending() <= limits::kReassembliesPerPeer);
  }
  cr_assert(!reassembler.add(*decode_fragment(cut(body, header(0))[1]))->has_value(),
            "its first half is gone");
  const auto newest =
      reassembler.add(*decode_fragment(cut(body, header(limits::kReassembliesPerPeer + 2))[1]));
  cr_assert(newest->has_value());
  reassembler.clear();
  cr_assert_eq(reassembler.pending(), 0);
}

}  // namespace
