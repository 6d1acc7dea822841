#pragma once
// D32, the part that outlives the daemon: what the sensor watched in its last run, and on which tier, must
// not become less without somebody hearing of it.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/watch/watch.h"
#include "daemon/watch/watch_memory.h"

namespace akm::watch {

/// Detection and tier, as the sensor's health tells them: ("D1", "tracepoint (degraded): why").
using Tiers = std::vector<std::pair<std::string, std::string>>;

class Coverage final : public Watch {
 public:
  Coverage(std::function<Tiers()> tiers, WatchMemory& memory) : tiers_(std::move(tiers)), memory_(memory) {}
  void look(Instant now, const Tell& tell) override;

 private:
  std::function<Tiers()> tiers_;
  WatchMemory& memory_;
};

/// Larger is better: none, user space, tracepoints, kprobes and fentry, LSM; a degraded one is less than a
/// whole.
int tier_rank(std::string_view tier);

}  // namespace akm::watch
