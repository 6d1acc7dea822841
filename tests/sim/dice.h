#pragma once
// Repeatable numbers: one seed gives the same history on every machine. Worthless as a secret.
#include <cstdint>
#include <span>

#include "daemon/base/random.h"

namespace akm::sim {

/// The finaliser of splitmix64: every bit of the result depends on every bit of `z`.
constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// A number that depends on all arguments and on nothing else: decisions made so do not move when others are
/// left out, which is what makes a history shrink.
template <typename... Parts>
constexpr std::uint64_t number_of(std::uint64_t seed, Parts... parts) {
  std::uint64_t number = mix(seed + 0x9e3779b97f4a7c15);
  ((number = mix(number ^ (static_cast<std::uint64_t>(parts) + 0x9e3779b97f4a7c15))), ...);
  return number;
}

class Dice final : public RandomSource {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15); }
  /// 0 to bound - 1.
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(next() % bound); }
  bool percent(std::uint32_t p) { return below(100) < p; }
  Status fill(std::span<std::uint8_t> out) override {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      word = i % 8 == 0 ? next() : word >> 8;
      out[i] = static_cast<std::uint8_t>(word);
    }
    return {};
  }

 private:
  std::uint64_t state_;
};

}  // namespace akm::sim
