#pragma once
#include <cstdint>
#include <optional>
#include <span>

namespace akm::sim {

struct Options {
  std::uint64_t first = 0;
  std::uint64_t end = 1000;  // not run any more
  std::uint32_t jobs = 1;
  std::uint32_t members = 0;  // 0: as drawn
  std::uint32_t lines = 160;  // of a chart: its end
  bool chart = false;         // draw the history, whatever comes of it (one seed)
  bool shrink = true;
  bool keep_going = false;  // after the first seed that fails
};

/// Prints what is wrong, or the help, and returns none.
[[nodiscard]] std::optional<Options> parse_options(std::span<char*> arguments);

}  // namespace akm::sim
