#include "daemon/protocol/control_body.h"

#include <criterion/criterion.h>

#include "daemon/base/hex.h"
#include "daemon/protocol/cbor.h"
#include "daemon/protocol/limits.h"
#include "tests/support/sample_asr.h"

namespace {

using namespace akm::protocol;

// A body comes back equal; cut anywhere it is refused; each of its keys is needed unless it is optional; a
// key that nobody knows is skipped.
template <typename T>
void check_codec(const T& value, std::size_t optional_keys = 0) {
  const Body bytes = value.encode();
  const auto back = T::decode(bytes);
  cr_assert(back.has_value());
  cr_assert(*back == value);
  cr_assert(back->encode() == bytes, "encoding is deterministic");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    cr_assert(!T::decode(BodyView(bytes).first(size)).has_value(), "cut to %zu bytes", size);
  }
  Body longer = bytes;
  longer.push_back(0);
  cr_assert(!T::decode(longer).has_value());

  // The pairs, one by one.
  CborReader reader(bytes);
  const std::size_t pairs = reader.map();
  std::vector<Body> items;
  std::size_t start = 1;
  for (std::size_t i = 0; i < pairs; ++i) {
    std::size_t length = 1;
    for (; start + length <= bytes.size(); ++length) {  // the shortest that is two whole items
      Body pair{0x82};
      pair.insert(pair.end(), bytes.begin() + static_cast<std::ptrdiff_t>(start),
                  bytes.begin() + static_cast<std::ptrdiff_t>(start + length));
      CborReader probe(pair);
      probe.skip();
      if (probe.finish()) break;
    }
    items.emplace_back(bytes.begin() + static_cast<std::ptrdiff_t>(start),
                       bytes.begin() + static_cast<std::ptrdiff_t>(start + length));
    start += length;
  }
  std::size_t needed = 0;
  for (std::size_t left_out = 0; left_out < pairs; ++left_out) {
    Body without{static_cast<std::uint8_t>(0xa0 + pairs - 1)};
    for (std::size_t i = 0; i < pairs; ++i) {
      if (i != left_out) without.insert(without.end(), items[i].begin(), items[i].end());
    }
    if (!T::decode(without).has_value()) ++needed;
  }
  cr_assert_eq(needed, pairs - optional_keys);

  Body extended{static_cast<std::uint8_t>(0xa0 + pairs + 1)};
  for (const Body& item : items) extended.insert(extended.end(), item.begin(), item.end());
  const Body unknown = *akm::parse_hex("747a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a8301f6a0");
  extended.insert(extended.end(), unknown.begin(), unknown.end());
  const auto tolerant = T::decode(extended);
  cr_assert(tolerant.has_value(), "an unknown key is skipped");
  cr_assert(*tolerant == value);
}

Test(control_body, activate) {
  ActivateRequest request{.hardware_value = {1, 2},
                          .version = "0.1.0",
                          .quote = {},
                          .signature = {},
                          .attestation_key = {},
                          .machine = {}};
  check_codec(request);
  request.quote = Body{1};
  request.signature = Body{2, 3};
  request.attestation_key = Body{};
  check_codec(request, 3);
  check_codec(ActivateResponse{.nmm = "nmm", .policy = {.grace_ms = 9, .multicast_group = {}}});
}

Test(control_body, heartbeat) {
  check_codec(Heartbeat{.asrs = {{1, 2, 3, 0}, {UINT64_MAX, UINT32_MAX, UINT32_MAX, 3}},
                        .tier = "tracepoint",
                        .dropped = 5,
                        .refused = {{"not-authentic", 7}, {"too-long", 1}, {"replayed", 2}},
                        .uptime_s = 99});
  check_codec(Heartbeat{});
  Heartbeat window;
  window.maintenance_s = 600;
  window.maintenance_why = "field service";
  check_codec(window, 2);
  window.maintenance_why.assign(257, 'x');
  cr_assert(!Heartbeat::decode(window.encode()).has_value(), "too long a reason");
  Heartbeat beyond;
  beyond.asrs = {{1, 2, 3, 4}};
  cr_assert(!Heartbeat::decode(beyond.encode()).has_value(), "phase 4");
  beyond.asrs.assign(kHeartbeatAsrs + 1, {});
  cr_assert(!Heartbeat::decode(beyond.encode()).has_value(), "too many");
}

Test(control_body, short_bodies) {
  check_codec(SwitchRequest{.asr_id = 1, .generation = 2});
  check_codec(RetireRequest{.asr_id = UINT64_MAX});
  check_codec(PolicyUpdate{.asr_id = 0, .policy = {}});
  check_codec(AttestRequest{.nonce = Body(16, 1), .pcrs = {0, 7, 23}});
  check_codec(AttestResponse{.quote = {1}, .signature = {2}, .log = {3}, .key = {}});
  check_codec(AttestResponse{.quote = {1}, .signature = {2}, .log = {3}, .key = Body{4}}, 1);
  check_codec(AttestResponse{.quote = Body(kQuoteBytes), .signature = {2}, .log = {3}, .key = {}});
  cr_assert(!AttestResponse::decode(
      AttestResponse{.quote = Body(kQuoteBytes + 1), .signature = {}, .log = {}, .key = {}}.encode()));
  check_codec(BreachDecision{.decision = "evicted", .asrs = {1, 2}});
}

Test(control_body, values_out_of_bounds_are_refused) {
  cr_assert(!AttestRequest::decode(AttestRequest{.nonce = Body(15), .pcrs = {}}.encode()).has_value());
  cr_assert(!AttestRequest::decode(AttestRequest{.nonce = Body(65), .pcrs = {}}.encode()).has_value());
  cr_assert(!AttestRequest::decode(AttestRequest{.nonce = Body(16), .pcrs = {24}}.encode()).has_value());
  // The policy of an activation is checked like any other.
  for (const bool of_asr : {false, true}) {
    Policy policy;
    policy.topology = Topology::multicast;  // without a group
    const Body body = of_asr ? PolicyUpdate{.asr_id = 7, .policy = policy}.encode()
                             : ActivateResponse{.nmm = "nmm", .policy = policy}.encode();
    const auto error =
        of_asr ? PolicyUpdate::decode(body).error().code : ActivateResponse::decode(body).error().code;
    cr_assert_eq(error, akm::Errc::malformed);
  }
  cr_assert(!BreachDecision::decode(BreachDecision{.decision = "", .asrs = {}}.encode()).has_value());
}

Test(control_body, breach_report) {
  const BreachReport report{.detection = "key-access",
                            .severity = 2,
                            .boottime_ns = 123456789,
                            .subject = {{"pid", "1"}, {"comm", "cat"}, {"uid", "0"}},
                            .evidence = {{"serial", "0x1"}}};
  check_codec(report);
  BreachReport bad = report;
  bad.severity = 8;
  cr_assert(!BreachReport::decode(bad.encode()).has_value());
  bad = report;
  bad.evidence["long"] = std::string(kEvidenceTextBytes + 1, 'x');
  cr_assert(!BreachReport::decode(bad.encode()).has_value());
  bad = report;
  for (std::size_t i = 0; i <= kEvidencePairs; ++i) bad.subject["k" + std::to_string(i)] = "";
  cr_assert(!BreachReport::decode(bad.encode()).has_value());
}

Test(control_body, install) {
  akm::test::SeededRandom random;
  InstallRequest request{
      .asr = akm::test::sample_asr(5, random, 2), .index = 8, .immediate = true, .retire = 6};
  const auto bytes = request.encode();
  cr_assert(bytes.has_value());
  const auto back = InstallRequest::decode(bytes->reveal());
  cr_assert(back.has_value());
  cr_assert_eq(back->index, 8);
  cr_assert(back->immediate);
  cr_assert_eq(back->retire, 6);
  cr_assert(back->asr.description.roster == request.asr.description.roster);
  cr_assert(back->asr.chains[1].seed == request.asr.chains[1].seed);
  for (std::size_t size = 0; size < bytes->size(); ++size) {
    cr_assert(!InstallRequest::decode(bytes->reveal().first(size)).has_value());
  }
  request.index = 3;
  cr_assert(!InstallRequest::decode(request.encode()->reveal()).has_value(), "3 is not in the roster");
}

Test(control_body, install_holds_a_thousand_members_and_says_when_it_cannot) {
  akm::test::SeededRandom random;
  InstallRequest request{
      .asr = akm::test::sample_asr(1000, random), .index = 0, .immediate = false, .retire = 0};
  const auto bytes = request.encode();
  cr_assert(bytes.has_value());
  cr_assert(InstallRequest::decode(bytes->reveal()).has_value());
  request.asr = akm::test::sample_asr(4096, random);
  cr_assert_eq(request.encode().error().code, akm::Errc::too_large);
}

Test(control_body, empty_bodies) {
  cr_assert(empty_body() == Body{0xa0});
  cr_assert(decode_empty_body(empty_body()).has_value());
  cr_assert(decode_empty_body({}).has_value());
  cr_assert(decode_empty_body(*akm::parse_hex("a1616101")).has_value(), "unknown keys are skipped");
  cr_assert(!decode_empty_body(*akm::parse_hex("80")).has_value());
  cr_assert(!decode_empty_body(*akm::parse_hex("a000")).has_value());
}

}  // namespace
