#include "daemon/watch/coverage.h"

#include <array>

#include "daemon/base/log.h"
#include "daemon/policy/catalogue.h"
#include "daemon/watch/baseline.h"

namespace akm::watch {
namespace {

struct Rank {
  std::string_view name;
  int rank;
};
// The first that is in the text.
constexpr auto kRanks = std::to_array<Rank>({{"lsm", 80},
                                             {"fentry", 60},
                                             {"kprobe", 60},
                                             {"tracepoint + fanotify", 45},
                                             {"tracepoint", 40},
                                             {"fanotify", 20},
                                             {"user", 20}});

/// Without the explanation, which may change with every sentence.
std::string token(const std::string& health) {
  return health.substr(0, health.find(':'));
}

}  // namespace

int tier_rank(std::string_view tier) {
  const std::string_view name = tier.substr(0, tier.find(':'));
  for (const Rank& one : kRanks) {
    if (name.find(one.name) == std::string_view::npos) continue;
    return name.find("(degraded)") == std::string_view::npos ? one.rank : one.rank - 5;
  }
  return 0;
}

void Coverage::look(Instant now, const Tell& tell) {
  Facts facts;
  for (const auto& [detection, health] : tiers_()) facts.emplace(detection, token(health));
  // Without the sensor there is not even a list: what it had is in the memory.
  for (const policy::DetectionClass one : policy::kDetectionClasses) {
    const std::string row(policy::entry_of(one).row);
    const std::string before = memory_.value("tier." + row);
    if (!before.empty() && !facts.contains(row)) facts.emplace(row, "none");
  }
  for (const auto& [detection, tier] : facts) {
    const std::string before = memory_.value("tier." + detection);
    memory_.set("tier." + detection, tier);
    if (before.empty() || tier_rank(before) == tier_rank(tier)) continue;
    const bool more = tier_rank(tier) > tier_rank(before);
    policy::Detection told =
        seen(policy::DetectionClass::sensor_impaired, now, {"coverage of " + detection, before, tier, more});
    told.evidence.emplace("finding", "coverage");
    tell(told);
  }
  if (const Status saved = memory_.save(); !saved) log::warning(saved.error().message());
}

}  // namespace akm::watch
