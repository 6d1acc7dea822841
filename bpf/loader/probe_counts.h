#pragma once
// The kernel's counters of records made and dropped, for each watch.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bpf/include/akm_events.h"

namespace akm::bpf {

class ProbeCounts {
 public:
  /// `map` is the descriptor of the programs' map; it stays the caller's.
  explicit ProbeCounts(int map) : map_(map) {}

  /// Summed over the processors.
  [[nodiscard]] std::uint64_t of(std::uint32_t watch, akm_count what) const;
  /// Summed over the watches too.
  [[nodiscard]] std::uint64_t all(akm_count what) const;
  /// probe_made, probe_lost_ring_full, ..., and for each watch that made anything probe_made_key,
  /// probe_lost_key.
  [[nodiscard]] std::map<std::string, std::uint64_t> named() const;

 private:
  int map_;
};

}  // namespace akm::bpf
