#pragma once
// Where a run of several engines has to end: all members idle under one key.
#include <algorithm>
#include <string>

#include "tests/support/engine_net.h"

namespace akm::testing {

/// All members idle under one key.
inline bool agreed(const EngineNet& net, protocol::AsrId id, std::size_t members, std::string& why) {
  const auto first = net.view(0, id);
  for (std::size_t i = 0; i < members; ++i) {
    const auto view = net.view(i, id);
    if (!first || !view) return why = "a node has lost its membership", false;
    if (view->phase != protocol::Phase::se)
      return why = "node " + std::to_string(i) + " is still in an attempt", false;
    if (view->description.generation != first->description.generation) {
      return why = "node " + std::to_string(i) + " is in another generation", false;
    }
    if (view->epoch != first->epoch || view->check != first->check) {
      return why = "node " + std::to_string(i) + " stands at epoch " + std::to_string(view->epoch) +
                   ", the first at " + std::to_string(first->epoch),
             false;
    }
  }
  return true;
}

inline bool holds(const EngineNet& net, std::size_t i, const protocol::AsrDescription& wanted) {
  const auto view = net.view(i, wanted.id);
  return view && std::max(view->description.generation, view->installed_generation) >= wanted.generation;
}

/// As the NMM does: until every member has it.
inline void install(EngineNet& net, const protocol::Asr& asr, bool immediate = false) {
  for (int tries = 0; tries < 3; ++tries) {
    for (const protocol::Member& member : asr.description.roster) {
      if (holds(net, member.index, asr.description)) continue;
      net.give(member.index, protocol::InstallAsr{asr.clone(), member.index, immediate, 0});
    }
    net.run(std::chrono::milliseconds(500));
  }
}

/// What an NMM does when a member has used up its chains: all get the next generation.
inline void renew_if_exhausted(EngineNet& net, protocol::AsrId id, std::size_t members,
                               const protocol::Policy& policy) {
  bool exhausted = false;
  std::uint32_t generation = 0;
  for (std::size_t i = 0; i < members; ++i) {
    for (const auto& report : net.take<protocol::ChainsExhausted>(i)) exhausted |= report.asr_id == id;
    if (const auto view = net.view(i, id)) generation = std::max(generation, view->description.generation);
  }
  if (!exhausted) return;
  protocol::Asr next = net.make_asr(id, generation + 1, members);
  next.description.policy = policy;
  install(net, next, true);
  net.run(std::chrono::seconds(10));
}

}  // namespace akm::testing
