#include "tools/akm-bench/measure.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace akm::bench {
namespace {

double round_ns(const Contestant& contestant, std::size_t operations) {
  const auto start = std::chrono::steady_clock::now();
  contestant.run(operations);
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  return took.count() / static_cast<double>(operations);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

void compare(const Comparison& comparison) {
  std::vector<const Contestant*> all{&comparison.limit};
  for (const Contestant& contestant : comparison.ours) all.push_back(&contestant);
  for (const Contestant& contestant : comparison.peers) all.push_back(&contestant);
  std::vector<std::vector<double>> times(all.size());
  for (const Contestant* contestant : all)
    contestant->run(std::max<std::size_t>(comparison.operations / 10, 1));
  for (std::size_t round = 0; round < comparison.rounds; ++round) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      times[i].push_back(round_ns(*all[i], comparison.operations));
    }
  }
  const double limit = median(times[0]);
  fmt::print("{}\n", comparison.title);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double ns = median(times[i]);
    if (i > comparison.ours.size()) {
      fmt::print("  {:<50} {:>10.0f} ns   x {:.1f} of akm; {:.0f} a second\n", all[i]->name, ns,
                 ns / median(times[1]), 1e9 / ns);
      continue;
    }
    fmt::print("  {:<50} {:>10.0f} ns   x {:.2f} of the limit", all[i]->name, ns, ns / limit);
    if (i > 0 && comparison.target > 0) fmt::print("   (target {:.2f})", comparison.target);
    fmt::print("\n");
  }
}

void stop(const std::string& why) {
  fmt::print(stderr, "akm-bench: {}\n", why);
  std::exit(1);  // NOLINT(concurrency-mt-unsafe): a program of one thread
}

}  // namespace akm::bench
