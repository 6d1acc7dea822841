#include "daemon/base/hex.h"
#include "daemon/protocol/asr_record.h"
#include "daemon/protocol/attestation.h"
#include "daemon/protocol/bundle.h"
#include "daemon/protocol/control_body.h"
#include "daemon/protocol/control_message.h"
#include "daemon/protocol/detection_policy.h"
#include "daemon/protocol/handover.h"
#include "daemon/protocol/node_identity.h"
#include "daemon/protocol/session_payload.h"
#include "daemon/protocol/tpm_bundle.h"
#include "tests/fuzz/seeds.h"
#include "tests/support/asr_fixture.h"
#include "tests/support/paper_tpm.h"
#include "tests/support/sample_asr.h"

namespace akm::fuzz {
namespace {

using namespace protocol;

void frames(Seeds& seeds) {
  FrameCipher cipher = *FrameCipher::create(Suite::hkdf_sha256_aes256gcm, TrafficKey{});
  FrameHeader header{
      .index = 2, .incarnation = 3, .asr_id = 4, .generation = 5, .epoch = 6, .sequence = 7, .salt = 8};
  seeds.add("frame", "empty", *seal_frame(cipher, header, {}), {0});
  header.type = FrameType::control;
  header.chain = Chain::failsafe;
  seeds.add("frame", "control", *seal_frame(cipher, header, Bytes(40, 1)), {200});
  seeds.add("frame", "longest", *seal_frame(cipher, header, Bytes(kFramePayloadBytes, 1)), {7});
}

Bytes encoded(const SessionPayload& payload) {
  Bytes out(encoded_size(payload));
  require(encode_session_payload(payload, out).has_value(), "a seed is valid");
  return out;
}

std::vector<std::pair<std::string, SessionPayload>> session_payloads() {
  SessionPayload se;
  se.target = se.high_epoch = 1;
  SessionPayload sei;
  sei.event = SessionEvent::sei;
  sei.initiator = 1;
  sei.target = 2;
  sei.high_epoch = 1;
  sei.value.fill(9);
  SessionPayload closing = sei;
  closing.closing = true;
  closing.bitmap = Bitmap::from_bytes(Bytes{0xe0});
  SessionPayload sec = closing;
  sec.event = SessionEvent::sec;
  sec.closing = false;
  SessionPayload sef = sec;
  sef.event = SessionEvent::sef;
  return {{"se", se}, {"sei", sei}, {"closing", closing}, {"sec", sec}, {"sef", sef}};
}

// As fuzz_control_message reads them: length, then at most 64 bytes; the rest are zeros.
Bytes fragments(Method method, const Bytes& body) {
  const auto cut = *Fragmenter::create({.request_id = 5, .method = method}, body);
  Bytes out;
  for (std::uint16_t i = 0; i < cut.count(); ++i) {
    Bytes payload(cut.payload_size(i));
    cut.write(i, payload);
    out.push_back(static_cast<std::uint8_t>(payload.size() >> 8));
    out.push_back(static_cast<std::uint8_t>(payload.size()));
    out.insert(out.end(), payload.begin(),
               payload.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(64, payload.size())));
  }
  return out;
}

void bodies(Seeds& seeds) {
  test::SeededRandom random;
  const Bytes heartbeat =
      Heartbeat{.asrs = {{1, 2, 3, 0}}, .tier = "tracepoint", .refused = {{"replayed", 1}}}.encode();
  const std::array<std::pair<const char*, Bytes>, 10> plain{{
      {"activate",
       ActivateRequest{
           .version = "0.1.0", .quote = Bytes(8), .signature = Bytes(8), .attestation_key = {}, .machine = {}}
           .encode()},
      {"activated", ActivateResponse{.nmm = "nmm", .policy = {}}.encode()},
      {"heartbeat", heartbeat},
      {"switch", SwitchRequest{9, 2}.encode()},
      {"retire", RetireRequest{9}.encode()},
      {"report", BreachReport{.detection = "key-access",
                              .severity = 2,
                              .boottime_ns = 1,
                              .subject = {{"pid", "7"}},
                              .evidence = {{"operation", "ptrace"}}}
                     .encode()},
      {"decision", BreachDecision{.decision = "evict", .asrs = {1, 2}}.encode()},
      {"policy", PolicyUpdate{9, {}}.encode()},
      {"attest", AttestRequest{.nonce = Bytes(16), .pcrs = {0, 7}}.encode()},
      {"attested",
       AttestResponse{.quote = Bytes(8), .signature = Bytes(8), .log = {}, .key = Bytes(8)}.encode()},
  }};
  for (std::uint8_t i = 0; i < plain.size(); ++i)
    seeds.add("control_body", plain[i].first, plain[i].second, {i});
  const auto install = InstallRequest{.asr = test::sample_asr(3, random), .index = 1, .retire = 6}.encode();
  seeds.add("control_body", "install", install->reveal(), {10});
  seeds.add("control_body", "empty", empty_body(), {11});
  DetectionPolicy detections;
  detections.own = false;
  detections.set = {{"hook.timeout_s", std::int64_t{7}}, {"policy.mode", std::string("observe")}};
  detections.tables = {{"allow", {{{"classes", std::vector<std::string>{"bpf-use"}}, {"any", true}}}}};
  seeds.add("control_body", "detection-policy", detections.encode(), {12});
  Policy group;
  group.topology = Topology::multicast;
  group.multicast_group = "239.192.0.1:7400";
  group.attestation = Attestation::required;
  seeds.add("control_body", "policy-group", PolicyUpdate{9, group}.encode(), {7});
  group.multicast_group.clear();
  seeds.add("control_body", "policy-without-group", PolicyUpdate{9, group}.encode(), {7});
  seeds.add("control_body", "activate-quote",
            ActivateRequest{.version = "0.1.0",
                            .quote = Bytes(8),
                            .signature = Bytes(8),
                            .attestation_key = Bytes(8),
                            .machine = {}}
                .encode(),
            {0});
  seeds.add("cbor", "heartbeat", heartbeat, {4, 64, 5, 64, 6});
  seeds.add("cbor", "install", install->reveal(), {2, 64, 8});
  seeds.add("control_message", "one", fragments(Method::heartbeat, heartbeat));
  seeds.add("control_message", "three", fragments(Method::install, Bytes(2 * kFragmentBytes + 9)));
}

void quotes(Seeds& seeds) {
  const auto quote = testing::PaperTpm::quote_of(Bytes(kAttestationNonceBytes), 0xff, {7}, {});
  seeds.add("attestation", "quote", quote, {1});
  const Bytes key = testing::PaperTpm::public_area(Bytes(32, 1), Bytes(32, 2));
  const Bytes signature = testing::PaperTpm::signature_of(Bytes(32, 3), Bytes(31, 4));
  Bytes all{0};
  for (const Bytes* part : {&key, &signature}) {
    all.push_back(static_cast<std::uint8_t>(part->size() >> 8));
    all.push_back(static_cast<std::uint8_t>(part->size()));
    all.insert(all.end(), part->begin(), part->end());
  }
  all.insert(all.end(), quote.begin(), quote.end());
  seeds.add("attestation", "signed", all);
}

void bundles(Seeds& seeds) {
  BundleContent content;
  content.identity = {.asr_id = 5,
                      .nmm_id = 6,
                      .node_id = 7,
                      .serial = 3,
                      .nmm_name = "nmm",
                      .node_name = "node",
                      .nmm_endpoints = {"192.0.2.1:7400", "[2001:db8::1]:7400"},
                      .policy = {}};
  content.identity.policy.nnrt_ms = 500;
  content.unbound = true;
  test::SeededRandom random;
  const SecretBuffer code = *parse_code("ABCDE-FGHJK-MNPQR-STVWX");
  seeds.add("bundle", "file", *seal_bundle(content, code, random, {.n = 16384}), {0});
  seeds.add("bundle", "direct", encode_direct_bundle(content)->reveal(), {1});
  seeds.add("bundle", "token", encode_token_bundle(content)->reveal(), {3});
  seeds.add("bundle", "content", content.encode().reveal(), {2});
  const crypto::X25519PrivateKey node;
  seeds.add("handover", "sealed",
            *seal_handover(content, *crypto::x25519_public(node), kUnknownHardware, random));
}

void records(Seeds& seeds) {
  RelationshipState state;
  state.current = *Generation::install(testing::fixed_asr(3), 1);
  seeds.add("asr_record", "plain", encode_record(state, std::nullopt).reveal());
  state.installed = *Generation::install(testing::fixed_asr(4, 2), 1);
  state.executed = {3, 4, 99, 0x8000000000000001};
  Bitmap all = Bitmap::for_roster(*state.current->description);
  for (std::uint16_t i = 0; i < 3; ++i) all.set(i);
  ChainLink& link = state.current->normal().link();
  const ChainLinks links = state.current->ladder.links();
  link.store(*link.derive(state.current->context, 2, 0, 1, Digest32{1}, all, links));
  link.store(*link.derive(state.current->context, 3, 1, 1, Digest32{2}, all, links));
  ChainLink& fallback = state.current->chain(Chain::fallback).link();
  fallback.store(*fallback.derive(state.current->context, 2, 0, 3, Digest32{3}, all, links));
  seeds.add("asr_record", "candidates", encode_record(state, *parse_endpoint("192.0.2.9:7400")).reveal());
  RelationshipState link_state;
  link_state.current = *Generation::install(testing::fixed_asr(2, 1, Kind::provisioning, false), 0);
  seeds.add("asr_record", "link", encode_record(link_state, *parse_endpoint("192.0.2.9:7400")).reveal());
}

// A byte for who says what how (fuzz_insider.cpp), a length, the payload.
void insiders(Seeds& seeds) {
  Bytes attempt;
  for (const std::uint8_t who : {std::uint8_t{0}, std::uint8_t{4}}) {
    for (const auto& [name, payload] : session_payloads()) {
      const Bytes bytes = encoded(payload);
      attempt.insert(attempt.end(), {who, static_cast<std::uint8_t>(bytes.size())});
      attempt.insert(attempt.end(), bytes.begin(), bytes.end());
    }
    attempt.push_back(250);
  }
  seeds.add("insider", "attempt", attempt);
  Bytes asks;
  const Bytes body =
      ActivateRequest{.version = "0.1.0", .quote = {}, .signature = {}, .attestation_key = {}, .machine = {}}
          .encode();
  const auto cut = *Fragmenter::create({.request_id = 5, .method = Method::activate}, body);
  Bytes payload(cut.payload_size(0));
  cut.write(0, payload);
  asks.insert(asks.end(), {3, static_cast<std::uint8_t>(payload.size())});
  asks.insert(asks.end(), payload.begin(), payload.end());
  seeds.add("insider", "request", asks);
}

// Shape, then events (fuzz_engine.cpp): a rekey by member 0 in order, with and without a quiet end, and some
// mishaps.
void stories(Seeds& seeds) {
  const Bytes rekey{11, 0, 0};
  const Bytes deliver{0, 0};
  const Bytes wait{9, 0, 0};
  const auto story = [&](std::uint8_t shape, const Bytes& mishap) {
    Bytes out{shape};
    const auto say = [&](const Bytes& event) { out.insert(out.end(), event.begin(), event.end()); };
    for (int i = 0; i < 8; ++i) say(deliver);
    say(rekey);
    say(mishap);
    for (int i = 0; i < 16; ++i) say(deliver);
    say(wait);
    for (int i = 0; i < 16; ++i) say(deliver);
    return out;
  };
  seeds.add("engine", "two", story(0, {}));
  seeds.add("engine", "three-star", story(8 + 1, {}));
  seeds.add("engine", "four-quiet-end", story(16 + 2, {}));
  seeds.add("engine", "store-fails", story(16 + 1, {12, 0, 0}));
  seeds.add("engine", "crash", story(16 + 1, {14, 1, 0}));
  seeds.add("engine", "crash-in-step", story(16, {15, 1, 0, 1}));
  seeds.add("engine", "damage", story(1, {5, 0, 0, 0, 40, 3}));
  seeds.add("engine", "replay", story(1, {7, 1, 0, 7, 0, 1}));
  seeds.add("engine", "request", story(0, {16, 0, 1, 0, 200}));
  seeds.add("engine", "generation", story(16 + 1, {17, 0, 0, 0, 18, 1, 0}));
  seeds.add("engine", "majority-crash", story(32 + 16 + 1, {14, 1, 0}));
  seeds.add("engine", "data", story(0, {240, 0, 255, 9, 240, 1, 0, 3, 0, 0, 0, 0, 240, 0, 4, 1}));
  // Nothing arrives until the fallback chain is tried, or the failsafe chain; then all does.
  for (const std::uint8_t deadlines : Bytes{60, 120, 180, 240}) {
    const std::string name = std::to_string(deadlines);
    seeds.add("engine", "cut-off-" + name, story(16, {241, 0, deadlines, 242, 0, 100, 1, 242, 0, 50, 4}));
    seeds.add("engine", "cut-off-star-" + name, story(16 + 8 + 1, {241, 0, deadlines, 242, 0, 100, 1}));
  }
  seeds.add("engine", "stray", story(0, {243, 0, 0, 243, 0, 1, 243, 1, 2, 243, 0, 3}));
  seeds.add("engine", "breach", story(1, {17, 0, 0, 2, 19, 2, 0, 0}));
}

/// TPM2B_PUBLIC of a storage key that is none: a point of the curve is not needed to be parsed.
Bytes paper_area(std::uint32_t attributes, bool endorsement, bool rsa) {
  Bytes in;
  const auto number = [&in](std::uint64_t value, int bytes) {
    while (bytes-- > 0) in.push_back(static_cast<std::uint8_t>(value >> (8 * bytes)));
  };
  const Bytes policy = *parse_hex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa");
  number(rsa ? 1 : 0x23, 2);
  number(0x0b, 2);
  number(attributes, 4);
  number(endorsement ? policy.size() : 0, 2);
  if (endorsement) in.insert(in.end(), policy.begin(), policy.end());
  for (const std::uint64_t one : {6U, 128U, 0x43U, 0x10U}) number(one, 2);
  number(rsa ? 2048 : 3, 2);
  if (rsa) number(0, 4);
  if (!rsa) number(0x10, 2);
  for (int part = rsa ? 1 : 0; part < 2; ++part) {
    number(rsa ? 256 : 32, 2);
    in.insert(in.end(), rsa ? 256 : 32, 0x5a);
  }
  Bytes out{static_cast<std::uint8_t>(in.size() >> 8), static_cast<std::uint8_t>(in.size())};
  out.insert(out.end(), in.begin(), in.end());
  return out;
}

void tpm_imports(Seeds& seeds) {
  constexpr std::uint32_t kEndorsement = 0x000300b2;
  constexpr std::uint32_t kStorage = 0x00030472;
  for (const bool rsa : {false, true}) {
    const std::string kind = rsa ? "-rsa" : "-ecc";
    seeds.add("node_identity", "ek" + kind, paper_area(kEndorsement, true, rsa), {0});
    seeds.add("node_identity", "sk" + kind, paper_area(kStorage, false, rsa), {0});
  }
  NodeIdentity identity;
  identity.endorsement_key = paper_area(kEndorsement, true, false);
  identity.storage_key = paper_area(kStorage, false, false);
  identity.attestation_key = akm::testing::PaperTpm::public_area(Bytes(32, 1), Bytes(32, 2));
  identity.sources = {{"tpm-ek-name", "000b"}, {"dmi-product-uuid", "4c4c4544000010"}};
  identity.hardware_value = *hardware_value(identity.sources);
  identity.quote = akm::testing::PaperTpm::quote_of(identity.digest(), 0xff, {}, {});
  identity.signature = akm::testing::PaperTpm::signature_of(Bytes(32, 3), Bytes(32, 4));
  seeds.add("node_identity", "whole", identity.encode(), {1});
  identity.endorsement_certificate = Bytes(40, 0x30);
  seeds.add("node_identity", "certified", identity.encode(), {1});
  TpmEnvelope envelope;
  envelope.import = {Bytes(48, 1), Bytes(110, 2), Bytes(70, 3)};
  envelope.storage_credential = Bytes(140, 4);
  envelope.attestation_credential = Bytes(140, 5);
  envelope.sealed = Bytes(600, 6);
  seeds.add("tpm_bundle", "whole", envelope.encode());
}

}  // namespace

void add_protocol_seeds(Seeds& seeds) {
  frames(seeds);
  for (const auto& [name, payload] : session_payloads()) seeds.add("session_payload", name, encoded(payload));
  bodies(seeds);
  quotes(seeds);
  bundles(seeds);
  tpm_imports(seeds);
  records(seeds);
  insiders(seeds);
  stories(seeds);
}

}  // namespace akm::fuzz
