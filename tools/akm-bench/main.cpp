// akm-bench [CASE...]: what AKM costs beside its limit, in one run (docs/performance.md). Prints ratios of
// medians; asserts nothing.
#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "tools/akm-bench/bare_path.h"
#include "tools/akm-bench/cases.h"

namespace {

using namespace akm::bench;

struct Case {
  std::string_view name;
  void (*run)();
};

constexpr std::size_t kPathRounds = 31;

constexpr Case kCases[] = {
    {"key-step", [] { key_step(); }},
    {"frame", [] { frame(128), frame(1100); }},
    {"outsider", [] { engine_step(); }},
    {"new-key", [] { new_key(); }},
    {"rekey", [] { rekey(5, false); }},
    {"durable", [] { rekey(5, true); }},
    {"audit", [] { audit(false), audit(true); }},
    {"path", [] { bare_path(kPathRounds); }},
    {"data", [] { data(200), data(1144), data_received(200), data_received(1144); }},
};

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::ranges::find(kCases, std::string_view(argv[i]), &Case::name) != std::end(kCases)) continue;
    fmt::print(stderr, "akm-bench: no case {}; cases:", argv[i]);
    for (const Case& one : kCases) fmt::print(stderr, " {}", one.name);
    fmt::print(stderr, "\n");
    return 2;
  }
  for (const Case& one : kCases) {
    const bool wanted = argc == 1 || std::find(argv + 1, argv + argc, one.name) != argv + argc;
    if (wanted) one.run();
  }
  return 0;
}
