#pragma once
// Anti-replay window of one sender key (section 4; RFC 6479). Reading and writing are apart: a number is
// taken only after its frame has opened.
#include <array>
#include <cstdint>

#include "daemon/protocol/limits.h"

namespace akm::protocol {

class ReplayWindow {
 public:
  /// False when the number was taken before, or is 1024 or more below the highest one taken.
  [[nodiscard]] bool fresh(std::uint64_t sequence) const;
  /// Call with a number that is fresh, after the frame has opened.
  void commit(std::uint64_t sequence);

 private:
  static constexpr std::size_t kWordBits = 64;
  static constexpr std::size_t kWords = limits::kReplayWindow / kWordBits + 1;  // one is being cleared

  std::array<std::uint64_t, kWords> words_{};
  std::uint64_t next_ = 0;  // one above the highest taken
};

}  // namespace akm::protocol
