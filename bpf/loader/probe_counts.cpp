#include "bpf/loader/probe_counts.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <string_view>
#include <utility>

#include "bpf/loader/decode.h"

namespace akm::bpf {
namespace {

constexpr akm_count kDrops[] = {AKM_COUNT_RING_FULL, AKM_COUNT_LIMITED, AKM_COUNT_REFUSED,
                                AKM_COUNT_CRITICAL_LIMITED};

constexpr std::pair<akm_count, std::string_view> kNames[] = {
    {AKM_COUNT_MADE, "probe_made"},
    {AKM_COUNT_RING_FULL, "probe_lost_ring_full"},
    {AKM_COUNT_LIMITED, "probe_lost_limited"},
    {AKM_COUNT_REFUSED, "probe_lost_refused"},
    {AKM_COUNT_PENDING_FULL, "probe_lost_pending_full"},
    {AKM_COUNT_NO_PATH, "probe_lost_no_path"},
    {AKM_COUNT_PIDS_FULL, "probe_lost_pids_full"},
    {AKM_COUNT_UNWATCHED, "probe_unwatched"},
    {AKM_COUNT_CRITICAL_LIMITED, "probe_lost_critical_limited"},
};

std::string metric_name(std::string_view prefix, Watch watch) {
  std::string out(prefix);
  for (const char c : watch_name(watch)) out.push_back(c == '-' ? '_' : c);
  return out;
}

}  // namespace

std::uint64_t ProbeCounts::of(std::uint32_t watch, akm_count what) const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return 0;
  const std::uint32_t index = watch * std::uint32_t{AKM_COUNTS} + static_cast<std::uint32_t>(what);
  std::vector<std::uint64_t> per_cpu(static_cast<std::size_t>(cpus));
  if (bpf_map_lookup_elem(map_, &index, per_cpu.data()) != 0) return 0;
  std::uint64_t sum = 0;
  for (const std::uint64_t count : per_cpu) sum += count;
  return sum;
}

std::uint64_t ProbeCounts::all(akm_count what) const {
  std::uint64_t sum = 0;
  for (std::uint32_t watch = 0; watch < AKM_WATCHES; ++watch) sum += of(watch, what);
  return sum;
}

std::map<std::string, std::uint64_t> ProbeCounts::named() const {
  std::map<std::string, std::uint64_t> out;
  for (const auto& [what, name] : kNames) out.emplace(name, all(what));
  for (std::uint32_t number = 0; number < AKM_WATCHES; ++number) {
    const auto watch = watch_of(static_cast<std::uint8_t>(number));
    const std::uint64_t made = watch ? of(number, AKM_COUNT_MADE) : 0;
    if (made == 0) continue;
    std::uint64_t lost = 0;
    for (const akm_count drop : kDrops) lost += of(number, drop);
    out.emplace(metric_name("probe_made_", *watch), made);
    out.emplace(metric_name("probe_lost_", *watch), lost);
  }
  return out;
}

}  // namespace akm::bpf
