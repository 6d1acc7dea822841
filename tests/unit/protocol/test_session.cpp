#include "daemon/protocol/session.h"

#include <criterion/criterion.h>

#include <array>

#include "tests/support/asr_fixture.h"

using namespace akm;
using namespace akm::protocol;

namespace {

std::shared_ptr<Session> session_of(std::uint8_t secret, std::shared_ptr<SequenceCounter> counter) {
  SecretBuffer bytes(32);
  bytes.reveal_mutable()[0] = secret;
  const KeyContext context{Suite::hkdf_sha256_aes256gcm, 7, 1, {}};
  return std::make_shared<Session>(context, Chain::normal, std::move(bytes), std::move(counter));
}

constexpr std::array<std::uint8_t, 3> kPayload{1, 2, 3};
using Plain = std::array<std::uint8_t, kFramePayloadBytes>;

}  // namespace

Test(session, opens_what_another_sealed_once) {
  auto alice = session_of(1, std::make_shared<SequenceCounter>(SequenceCounter{5, 0}));
  auto bob = session_of(1, std::make_shared<SequenceCounter>(SequenceCounter{5, 0}));
  const auto frame = alice->seal({0, 3, 9}, FrameType::session, kPayload);
  cr_assert(frame);
  const auto header = parse_header(*frame);
  cr_assert(header);
  cr_assert_eq(header->epoch, 5U);
  cr_assert_eq(header->sequence, 0U);
  Plain plain;
  const auto size = bob->open(*header, *frame, plain);
  cr_assert(size);
  cr_assert_eq(*size, kPayload.size());
  cr_assert_eq(plain[2], 3);
  cr_assert(bob->open(*header, *frame, plain), "nothing is written before accept");
  bob->accept(*header, true);
  cr_assert_eq(bob->open(*header, *frame, plain).error(), Refusal::replayed);
  cr_assert_eq(*bob->highest_from(*header), 0U);
}

Test(session, refuses_another_secret_and_a_changed_frame) {
  auto alice = session_of(1, std::make_shared<SequenceCounter>(SequenceCounter{1, 0}));
  auto eve = session_of(2, std::make_shared<SequenceCounter>(SequenceCounter{1, 0}));
  auto frame = *alice->seal({0, 1, 1}, FrameType::session, kPayload);
  const auto header = *parse_header(frame);
  Plain plain;
  cr_assert_eq(eve->open(header, frame, plain).error(), Refusal::not_authentic);
  frame.back() ^= 1;
  cr_assert_eq(alice->open(header, frame, plain).error(), Refusal::not_authentic);
}

Test(session, two_candidates_of_one_epoch_never_share_a_number) {
  SequenceCounters counters;
  auto first = session_of(1, counters.for_epoch(4));
  auto second = session_of(2, counters.for_epoch(4));
  const auto a = *parse_header(*first->seal({0, 1, 1}, FrameType::session, kPayload));
  const auto b = *parse_header(*second->seal({0, 1, 1}, FrameType::session, kPayload));
  const auto c = *parse_header(*first->seal({0, 1, 1}, FrameType::session, kPayload));
  cr_assert_eq(a.sequence, 0U);
  cr_assert_eq(b.sequence, 1U);
  cr_assert_eq(c.sequence, 2U);
  cr_assert(counters.for_epoch(5) != nullptr);
  cr_assert_eq(counters.for_epoch(4)->next, 3U, "sessions still count on it");
  first.reset();
  second.reset();
  cr_assert(counters.for_epoch(4) == nullptr, "a counter that was left behind never starts anew");
}

Test(session, keeps_the_window_of_the_incarnation_before) {
  auto alice = session_of(1, std::make_shared<SequenceCounter>(SequenceCounter{1, 0}));
  auto bob = session_of(1, std::make_shared<SequenceCounter>(SequenceCounter{1, 0}));
  const auto old_frame = *alice->seal({0, 1, 1}, FrameType::session, kPayload);
  const auto new_frame = *alice->seal({0, 2, 5}, FrameType::session, kPayload);
  const auto old_header = *parse_header(old_frame);
  const auto new_header = *parse_header(new_frame);
  Plain plain;
  cr_assert(bob->open(old_header, old_frame, plain));
  bob->accept(old_header, true);
  cr_assert(bob->open(new_header, new_frame, plain));
  bob->accept(new_header, true);
  cr_assert_eq(bob->open(old_header, old_frame, plain).error(), Refusal::replayed);
}

Test(session, a_key_seals_no_more_frames_than_section_4_allows) {
  auto counter = std::make_shared<SequenceCounter>(SequenceCounter{5, limits::kFramesPerKey - 1});
  auto alice = session_of(1, counter);
  cr_assert(alice->seal({0, 1, 1}, FrameType::session, kPayload));
  cr_assert_eq(alice->seal({0, 1, 1}, FrameType::session, kPayload).error().code, Errc::exhausted);
  cr_assert_eq(counter->next, limits::kFramesPerKey);
}

Test(session, seals_into_room_that_is_given) {
  auto alice = session_of(1, std::make_shared<SequenceCounter>(SequenceCounter{5, 0}));
  auto bob = session_of(1, std::make_shared<SequenceCounter>(SequenceCounter{5, 0}));
  std::array<std::uint8_t, kPayload.size() + kFrameOverheadBytes> room{};
  const auto place = std::span(room).subspan(limits::kFrameHeaderBytes, kPayload.size());
  std::ranges::copy(kPayload, place.begin());
  cr_assert(alice->seal({0, 1, 1}, FrameType::data, place, room));
  Plain plain;
  cr_assert_eq(*bob->open(*parse_header(room), room, plain), kPayload.size());
  cr_assert_eq(plain[2], 3);
}
