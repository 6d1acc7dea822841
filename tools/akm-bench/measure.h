#pragma once
// Measuring as docs/performance.md says: what is measured and its limit run in turns in one process, and
// ratios of medians are printed. Absolute figures of a shared machine move by half from run to run; ratios
// move little.
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace akm::bench {

/// One contestant of a comparison. `run` does the work `operations` times.
struct Contestant {
  std::string name;
  std::function<void(std::size_t operations)> run;
};

struct Comparison {
  std::string title;
  std::size_t operations = 1000;  // per round
  std::size_t rounds = 7;
  Contestant limit;  // what the hardware and the library allow
  std::vector<Contestant> ours;
  std::vector<Contestant> peers = {};  // what one would take instead; their ratio is to the first of ours
  double target = 0;  // ratio to the limit that is aimed at; 0: none. Printed, never asserted
};

/// Runs the rounds interleaved and prints a line for each contestant: median nanoseconds and ratio to the
/// limit.
void compare(const Comparison& comparison);

/// Keeps the compiler from leaving out work whose result nobody reads.
inline void keep(const void* value) {
  asm volatile("" : : "g"(value) : "memory");
}

/// Ends the program: a benchmark whose work fails measures nothing.
[[noreturn]] void stop(const std::string& why);

/// The value of a Result, or the end.
template <typename Result>
auto must(Result result) {
  if (!result) stop(result.error().message());
  if constexpr (!std::is_void_v<typename Result::value_type>) return std::move(*result);
}

}  // namespace akm::bench
