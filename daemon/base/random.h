#pragma once
// Randomness is an argument of the core: the system's in daemons, a seeded one in tests and in the simulator.
#include <cstdint>
#include <span>

#include "daemon/base/result.h"

namespace akm {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  /// Fills `out` wholly, or fails with nothing usable in it.
  virtual Status fill(std::span<std::uint8_t> out) = 0;
};

/// getrandom(2); blocks only until the kernel's generator is seeded, once after boot.
class SystemRandom final : public RandomSource {
 public:
  Status fill(std::span<std::uint8_t> out) override;
};

Result<std::uint32_t> random_u32(RandomSource& random);
Result<std::uint64_t> random_u64(RandomSource& random);

}  // namespace akm
