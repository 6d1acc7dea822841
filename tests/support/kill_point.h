#pragma once
// Where a process is killed: before or after one of its writes to the disk. From then on nothing is written,
// and what it still does in the test counts for nothing.
#include <cstddef>
#include <functional>
#include <optional>

namespace akm::test {

struct KillPoint {
  std::optional<std::size_t> at;  // points passed before it
  std::function<void()> killed;
  std::size_t passed = 0;
  bool dead = false;

  /// False: it is dead.
  bool pass() {
    if (!dead && at && passed++ == *at) {
      dead = true;
      if (killed) killed();
    }
    return !dead;
  }
};

}  // namespace akm::test
