// What holds for every input of the codecs: what is written is read back equal, what is read encodes to the
// same bytes (one value, one encoding), and no bytes at all make a decoder do worse than refuse.
#include <rapidcheck.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "daemon/protocol/asr_codec.h"
#include "daemon/protocol/bundle.h"
#include "daemon/protocol/cbor.h"
#include "daemon/protocol/control_body.h"
#include "daemon/protocol/control_message.h"
#include "daemon/protocol/detection_policy.h"
#include "daemon/protocol/frame.h"
#include "daemon/protocol/replay_window.h"
#include "daemon/protocol/session_payload.h"
#include "tests/support/sample_asr.h"

namespace akm::protocol {
namespace {

using Bytes = std::vector<std::uint8_t>;

template <typename T>
rc::Gen<T> up_to(T most) {
  return rc::gen::inRange<T>(0, static_cast<T>(most + 1));
}

rc::Gen<std::string> words(std::size_t most = 20) {
  return rc::gen::mapcat(rc::gen::inRange<std::size_t>(1, most + 1), [](std::size_t length) {
    return rc::gen::container<std::string>(length, rc::gen::inRange('a', '{'));
  });
}

std::map<std::string, std::string> text_map() {
  std::map<std::string, std::string> out;
  for (std::size_t left = *up_to<std::size_t>(6); left > 0; --left) out[*words()] = *words();
  return out;
}

Policy policy() {
  Policy out;
  out.nnrt_ms = *rc::gen::inRange(10U, 600000U);
  out.grace_ms = *rc::gen::inRange(0U, 600000U);
  out.rekey_after_frames = *rc::gen::inRange<std::uint64_t>(16, 1U << 31);
  out.quorum = *rc::gen::element(Quorum::all, Quorum::majority);
  out.topology = *rc::gen::element(Topology::automatic, Topology::mesh, Topology::star, Topology::multicast);
  if (out.topology == Topology::multicast)
    out.multicast_group = *rc::gen::element<std::string>("239.192.0.1:7400", "[ff15::a]:65535");
  out.rotate_provisioning_after_install = *rc::gen::arbitrary<bool>();
  return out;
}

DetectionPolicy::Values settings() {
  DetectionPolicy::Values out;
  for (std::size_t left = *up_to<std::size_t>(6); left > 0; --left) {
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        out[*words()] = *words();
        break;
      case 1:
        out[*words()] = std::int64_t{*rc::gen::inRange(0, INT32_MAX)};
        break;
      case 2:
        out[*words()] = *rc::gen::arbitrary<bool>();
        break;
      default:
        out[*words()] = std::vector<std::string>{*words(), *words()};
    }
  }
  return out;
}

DetectionPolicy detection_policy() {
  DetectionPolicy out;
  out.own = *rc::gen::arbitrary<bool>();
  if (!out.own) out.set = settings();
  if (!out.own) out.tables[*words()] = {settings(), settings()};
  out.maintenance_s = *rc::gen::inRange(0U, kPolicyMaintenanceS + 1);
  out.why = *words();
  return out;
}

template <typename T>
void round_trip(const T& value) {
  const Body bytes = value.encode();
  const auto back = T::decode(bytes);
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == value);
  RC_ASSERT(back->encode() == bytes);
}

// Bytes that look like what a decoder expects: a valid encoding with a few places changed, cut or put in.
Bytes disturbed(Bytes bytes) {
  for (std::size_t left = *rc::gen::inRange<std::size_t>(1, 5); left > 0 && !bytes.empty(); --left) {
    const auto place = static_cast<std::ptrdiff_t>(*rc::gen::inRange<std::size_t>(0, bytes.size()));
    const auto byte = *rc::gen::arbitrary<std::uint8_t>();
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        bytes[static_cast<std::size_t>(place)] = byte;
        break;
      case 1:
        bytes.insert(bytes.begin() + place, byte);
        break;
      case 2:
        bytes.erase(bytes.begin() + place);
        break;
      default:
        bytes.resize(static_cast<std::size_t>(place));
    }
  }
  return bytes;
}

// Whatever a decoder takes, what it made of it can be written and read again.
template <typename T>
void survives(const Bytes& bytes) {
  const auto decoded = T::decode(bytes);
  if (decoded) RC_ASSERT(T::decode(decoded->encode()).has_value());
}

void every_decoder_survives(const Bytes& bytes) {
  survives<ActivateRequest>(bytes);
  survives<ActivateResponse>(bytes);
  survives<Heartbeat>(bytes);
  survives<SwitchRequest>(bytes);
  survives<RetireRequest>(bytes);
  survives<BreachReport>(bytes);
  survives<BreachDecision>(bytes);
  survives<PolicyUpdate>(bytes);
  survives<AttestRequest>(bytes);
  survives<AttestResponse>(bytes);
  (void)InstallRequest::decode(bytes);
  (void)BundleContent::decode(bytes);
  (void)decode_direct_bundle(bytes);
  (void)decode_empty_body(bytes);
  (void)decode_fragment(bytes);
  (void)parse_header(bytes);
  if (const auto payload = decode_session_payload(bytes)) {
    Bytes again(encoded_size(*payload));
    RC_ASSERT(encode_session_payload(*payload, again).has_value());
    RC_ASSERT(again == bytes);
  }
}

bool bodies() {
  bool ok = rc::check("activate", [] {
    ActivateRequest one;
    one.hardware_value = *rc::gen::arbitrary<Digest32>();
    one.version = *words();
    if (*rc::gen::arbitrary<bool>()) one.quote = *rc::gen::arbitrary<Bytes>();
    if (*rc::gen::arbitrary<bool>()) one.attestation_key = *rc::gen::arbitrary<Bytes>();
    round_trip(one);
    round_trip(ActivateResponse{.nmm = *words(), .policy = policy()});
  });
  ok &= rc::check("heartbeat", [] {
    Heartbeat one;
    for (std::size_t left = *up_to<std::size_t>(5); left > 0; --left) {
      one.asrs.push_back({*rc::gen::arbitrary<AsrId>(), *rc::gen::arbitrary<std::uint32_t>(),
                          *rc::gen::arbitrary<std::uint32_t>(), *rc::gen::inRange<std::uint8_t>(0, 4)});
    }
    one.tier = *words();
    one.dropped = *rc::gen::arbitrary<std::uint64_t>();
    for (std::size_t left = *up_to<std::size_t>(5); left > 0; --left)
      one.refused[*words()] = *rc::gen::arbitrary<std::uint64_t>();
    one.uptime_s = *rc::gen::arbitrary<std::uint64_t>();
    round_trip(one);
  });
  ok &= rc::check("reports and short bodies", [] {
    round_trip(BreachReport{.detection = *words(),
                            .severity = *rc::gen::inRange<std::uint8_t>(0, 8),
                            .boottime_ns = *rc::gen::arbitrary<std::uint64_t>(),
                            .subject = text_map(),
                            .evidence = text_map()});
    round_trip(detection_policy());
    round_trip(BreachDecision{.decision = *words(), .asrs = *rc::gen::arbitrary<std::vector<AsrId>>()});
    round_trip(SwitchRequest{.asr_id = *rc::gen::arbitrary<AsrId>(),
                             .generation = *rc::gen::arbitrary<std::uint32_t>()});
    round_trip(RetireRequest{.asr_id = *rc::gen::arbitrary<AsrId>()});
    round_trip(PolicyUpdate{.asr_id = *rc::gen::arbitrary<AsrId>(), .policy = policy()});
  });
  ok &= rc::check("install", [] {
    test::SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    const auto members = *rc::gen::inRange<std::uint16_t>(2, 40);
    InstallRequest one{.asr = test::sample_asr(members, random, *rc::gen::inRange<std::uint16_t>(1, 100)),
                       .index = 0,
                       .immediate = *rc::gen::arbitrary<bool>(),
                       .retire = *rc::gen::arbitrary<std::uint32_t>()};
    one.asr.description.policy = policy();
    one.index = (*rc::gen::elementOf(one.asr.description.roster)).index;
    const auto bytes = one.encode();
    RC_ASSERT(bytes.has_value());
    const auto back = InstallRequest::decode(bytes->reveal());
    RC_ASSERT(back.has_value());
    RC_ASSERT(back->asr.description.roster_hash() == one.asr.description.roster_hash());
    RC_ASSERT(back->asr.description.policy == one.asr.description.policy);
    RC_ASSERT(back->asr.chains[2].pdv == one.asr.chains[2].pdv);
    const auto again = back->encode();
    RC_ASSERT(std::ranges::equal(again->reveal(), bytes->reveal()));
  });
  return ok;
}

bool hostile_bytes() {
  bool ok = rc::check("random bytes never do worse than be refused",
                      [] { every_decoder_survives(*rc::gen::arbitrary<Bytes>()); });
  ok &= rc::check("nor do disturbed messages", [] {
    test::SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    const InstallRequest install{
        .asr = test::sample_asr(3, random), .index = 1, .immediate = false, .retire = 0};
    const SecretBuffer encoded = *install.encode();
    const Bytes as_install(encoded.reveal().begin(), encoded.reveal().end());
    const Bytes as_report = BreachReport{
        .detection = "key-access",
        .severity = 2,
        .boottime_ns = 1,
        .subject = text_map(),
        .evidence = {}}.encode();
    const Bytes as_heartbeat =
        Heartbeat{.asrs = {{1, 2, 3, 0}}, .tier = "x", .refused = {{"replayed", 1}}}.encode();
    const Bytes as_activate = ActivateResponse{.nmm = "nmm", .policy = policy()}.encode();
    every_decoder_survives(disturbed(*rc::gen::element(as_install, as_report, as_heartbeat, as_activate)));
  });
  return ok;
}

bool frames() {
  bool ok = rc::check("a frame opens to what was sealed, and no disturbed one opens", [] {
    FrameHeader header;
    header.type = *rc::gen::element(FrameType::session, FrameType::control, FrameType::data);
    header.chain = *rc::gen::element(Chain::normal, Chain::fallback, Chain::failsafe);
    header.index = *rc::gen::arbitrary<std::uint16_t>();
    header.incarnation = *rc::gen::arbitrary<std::uint32_t>();
    header.asr_id = *rc::gen::inRange<AsrId>(1, UINT64_MAX);
    header.generation = *rc::gen::arbitrary<std::uint32_t>();
    header.epoch = *rc::gen::arbitrary<std::uint32_t>();
    header.sequence = *rc::gen::arbitrary<std::uint64_t>();
    header.salt = *rc::gen::arbitrary<std::uint32_t>();
    const auto suite = *rc::gen::element(Suite::hkdf_sha256_aes256gcm, Suite::hkdf_sha384_aes256gcm,
                                         Suite::hkdf_sha256_chacha20poly1305);
    auto cipher = *FrameCipher::create(suite, TrafficKey{});
    const Bytes payload = *rc::gen::resize(600, rc::gen::arbitrary<Bytes>());
    Bytes sealed = *seal_frame(cipher, header, payload);
    const auto parsed = parse_header(sealed);
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(*parsed == header);
    Bytes changed = disturbed(sealed);
    if (changed != sealed) {
      if (const auto other = parse_header(changed))
        RC_ASSERT(!open_frame(cipher, *other, changed).has_value());
    }
    const auto opened = open_frame(cipher, *parsed, sealed);
    RC_ASSERT(opened.has_value());
    RC_ASSERT(std::ranges::equal(*opened, payload));
  });
  ok &= rc::check("bodies come back from their fragments in any order, with repetitions", [] {
    const auto size = *rc::gen::inRange<std::size_t>(0, 10 * kFragmentBytes);
    Bytes body(size);
    test::SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    (void)random.fill(body);
    const auto fragmenter = *Fragmenter::create({.request_id = 1, .method = Method::install}, body);
    std::vector<std::uint16_t> order;
    for (std::uint16_t i = 0; i < fragmenter.count(); ++i) order.push_back(i);
    for (std::size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[*rc::gen::inRange<std::size_t>(0, i)]);
    Reassembler reassembler;
    for (std::size_t i = 0; i < order.size(); ++i) {
      Bytes payload(fragmenter.payload_size(order[i]));
      fragmenter.write(order[i], payload);
      const auto fragment = decode_fragment(payload);
      RC_ASSERT(fragment.has_value());
      if (i + 1 < order.size()) RC_ASSERT(!reassembler.add(*fragment)->has_value());
      const auto message = reassembler.add(*fragment);
      RC_ASSERT(message.has_value());
      RC_ASSERT(message->has_value() == (i + 1 == order.size()));
      if (*message) RC_ASSERT(std::ranges::equal((*message)->body.reveal(), body));
    }
  });
  return ok;
}

bool windows_and_masks() {
  bool ok = rc::check("the replay window is a set of the numbers taken", [] {
    ReplayWindow window;
    std::set<std::uint64_t> model;
    std::uint64_t near = *rc::gen::inRange<std::uint64_t>(0, 1U << 20);
    for (std::size_t left = 400; left > 0; --left) {
      // Mostly small steps, sometimes far ones: both directions.
      const auto step =
          *rc::gen::weightedOneOf<std::uint64_t>({{8, rc::gen::inRange<std::uint64_t>(0, 70)},
                                                  {1, rc::gen::inRange<std::uint64_t>(900, 1300)},
                                                  {1, rc::gen::inRange<std::uint64_t>(0, 5000)}});
      near = *rc::gen::arbitrary<bool>() ? near + step : near - std::min(near, step);
      const bool old = !model.empty() && near + limits::kReplayWindow <= *model.rbegin();
      const bool expected = !old && !model.contains(near);
      RC_ASSERT(window.fresh(near) == expected);
      if (!expected) continue;
      window.commit(near);
      model.insert(near);
    }
  });
  ok &= rc::check("unmasking undoes masking on the same hardware only", [] {
    test::SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    const Chains chains = test::sample_asr(2, random).chains;
    const auto hardware = *rc::gen::arbitrary<HardwareValue>();
    const auto use_id = *rc::gen::arbitrary<SingleUseId>();
    const Mask mask = *mask_chains(chains, hardware, use_id);
    const Chains back = *unmask_chains(mask, hardware, use_id);
    for (std::size_t i = 0; i < kChainCount; ++i) {
      RC_ASSERT(back[i].pdv == chains[i].pdv);
      RC_ASSERT(back[i].seed == chains[i].seed);
    }
    HardwareValue other = hardware;
    other[*rc::gen::inRange<std::size_t>(0, other.size())] ^= 1;
    RC_ASSERT(!((*unmask_chains(mask, other, use_id))[0].seed == chains[0].seed));
  });
  ok &= rc::check("typed codes come back", [] {
    test::SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
    const SecretBuffer code = *generate_code(random);
    const SecretBuffer shown = *format_code(code);
    std::string typed(shown.reveal().begin(), shown.reveal().end());
    for (char& c : typed) {
      if (*rc::gen::arbitrary<bool>() && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    const auto parsed = parse_code(typed);
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(equal_in_constant_time(parsed->reveal(), code.reveal()));
  });
  return ok;
}

}  // namespace
}  // namespace akm::protocol

int main() {
  using namespace akm::protocol;
  bool ok = bodies();
  ok = hostile_bytes() && ok;
  ok = frames() && ok;
  ok = windows_and_masks() && ok;
  return ok ? 0 : 1;
}
