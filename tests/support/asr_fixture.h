#pragma once
// Credentials and frames for tests of the machine: a test that holds a group's secrets can speak as any
// member.
#include <memory>
#include <string>
#include <vector>

#include "daemon/protocol/generation.h"
#include "tests/support/engine_net.h"

namespace akm::testing {

/// A small ASR with fixed secrets; members have no endpoints unless `endpoints`.
inline protocol::Asr fixed_asr(std::size_t members, std::uint32_t generation = 1,
                               protocol::Kind kind = protocol::Kind::operational, bool endpoints = true) {
  protocol::Asr asr;
  asr.description.id = 0xabcdef;
  asr.description.kind = kind;
  asr.description.label = "fixed";
  asr.description.generation = generation;
  for (std::size_t i = 0; i < members; ++i) {
    const bool nmm = kind == protocol::Kind::provisioning && i == 0;
    std::vector<std::string> at;
    if (endpoints) at.push_back("10.0.0." + std::to_string(i + 1) + ":7400");
    asr.description.roster.push_back({static_cast<std::uint16_t>(i), 1000 + i,
                                      nmm ? protocol::Role::nmm : protocol::Role::node,
                                      "n" + std::to_string(i), std::move(at)});
  }
  SeededRandom random(generation);
  for (auto& chain : asr.chains) {
    (void)random.fill(chain.pdv.reveal_mutable());
    (void)random.fill(chain.seed.reveal_mutable());
  }
  return asr;
}

/// Speaks as one member of `asr`, under epoch 1, with any incarnation and salt.
class Speaker {
 public:
  Speaker(const protocol::Asr& asr, std::uint16_t index, std::uint32_t incarnation, std::uint32_t salt)
      : generation_(*protocol::Generation::install(asr, index)), sender_{index, incarnation, salt} {}

  std::vector<std::uint8_t> frame(protocol::FrameType type, std::span<const std::uint8_t> payload,
                                  protocol::Chain chain = protocol::Chain::normal) {
    return *generation_.chain(chain).link().session()->seal(sender_, type, payload);
  }
  std::vector<std::uint8_t> session(const protocol::SessionPayload& payload,
                                    protocol::Chain chain = protocol::Chain::normal) {
    std::vector<std::uint8_t> bytes(protocol::encoded_size(payload));
    (void)protocol::encode_session_payload(payload, bytes);
    return frame(protocol::FrameType::session, bytes, chain);
  }
  /// An SE outside an attempt: what a member says after its start.
  std::vector<std::uint8_t> hello() {
    protocol::SessionPayload payload;
    payload.target = 1;
    payload.high_epoch = 1;
    return session(payload);
  }
  std::vector<std::uint8_t> message(const protocol::FragmentHeader& header,
                                    std::span<const std::uint8_t> body) {
    const auto fragments = *protocol::Fragmenter::create(header, body);
    std::vector<std::uint8_t> payload(fragments.payload_size(header.fragment));
    fragments.write(header.fragment, payload);
    return frame(protocol::FrameType::control, payload);
  }

 private:
  protocol::Generation generation_;
  protocol::Sender sender_;
};

template <typename Wanted>
std::vector<const Wanted*> only(const protocol::EffectList& effects) {
  std::vector<const Wanted*> list;
  for (const auto& effect : effects) {
    if (const auto* wanted = std::get_if<Wanted>(&effect)) list.push_back(wanted);
  }
  return list;
}

}  // namespace akm::testing
