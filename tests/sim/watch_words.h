#pragma once
// What the parts of the watch have in common: names of epochs.
#include <cstdint>
#include <string>

#include "daemon/protocol/asr.h"

namespace akm::sim {

[[nodiscard]] constexpr std::uint64_t chain_and_epoch(protocol::Chain chain, std::uint32_t epoch) {
  return static_cast<std::uint64_t>(chain) << 32 | epoch;
}

[[nodiscard]] inline std::string in_words(std::uint32_t generation, std::uint32_t epoch) {
  return "generation " + std::to_string(generation) + " epoch " + std::to_string(epoch);
}

}  // namespace akm::sim
