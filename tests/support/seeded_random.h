#pragma once
// Repeatable randomness for tests: the same seed gives the same bytes. Worthless as a secret.
#include <random>

#include "daemon/base/random.h"

namespace akm::test {

class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed = 1) : engine_(seed) {}
  Status fill(std::span<std::uint8_t> out) override {
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(engine_());
    return {};
  }

 private:
  std::mt19937_64 engine_;
};

/// Fails always, as a broken system would.
class FailingRandom final : public RandomSource {
 public:
  Status fill(std::span<std::uint8_t> /*out*/) override { return fail(Errc::io_failed, "no randomness"); }
};

}  // namespace akm::test
