#pragma once
// Relationships for tests.
#include "daemon/protocol/asr.h"
#include "tests/support/seeded_random.h"

namespace akm::test {

/// An operational ASR of `members` nodes with indexes 0, step, 2 * step, ..., valid and with chains drawn
/// from `random`.
inline protocol::Asr sample_asr(std::uint16_t members, RandomSource& random, std::uint16_t step = 1) {
  protocol::Asr asr;
  asr.description.id = 0x1122334455667788;
  asr.description.label = "sample";
  asr.description.generation = 7;
  for (std::uint16_t i = 0; i < members; ++i) {
    asr.description.roster.push_back({.index = static_cast<std::uint16_t>(i * step),
                                      .node_id = 0xa000u + i,
                                      .role = protocol::Role::node,
                                      .name = "node-" + std::to_string(i),
                                      .endpoints = {"192.0.2." + std::to_string(i % 250 + 1) + ":7400"}});
  }
  for (protocol::ChainState& chain : asr.chains) {
    (void)random.fill(chain.pdv.reveal_mutable());
    (void)random.fill(chain.seed.reveal_mutable());
  }
  return asr;
}

}  // namespace akm::test
