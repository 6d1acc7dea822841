#include "daemon/policy/combination.h"

#include <algorithm>

namespace akm::policy {
namespace {

bool has(const std::vector<DetectionClass>& classes, DetectionClass detection) {
  return std::ranges::find(classes, detection) != classes.end();
}

bool within(const std::optional<Instant>& earlier, Instant now, const Combination& rule) {
  return earlier && now - *earlier <= std::chrono::seconds(rule.within_s);
}

}  // namespace

std::vector<Combination> standard_combinations() {
  return {{.name = "blinded",
           .first = {DetectionClass::module_load, DetectionClass::bpf_use},
           .then = {DetectionClass::sensor_tampering},
           .within_s = 60,
           .any_order = true},
          {.name = "usb-then-tampering",
           .first = {DetectionClass::usb_insertion},
           .then = {DetectionClass::state_tampering, DetectionClass::config_tampering,
                    DetectionClass::service_tampering},
           .within_s = 600,
           .outside_maintenance = true}};
}

const Combination* CombinationProgress::note(const std::vector<Combination>& rules, DetectionClass detection,
                                             bool in_maintenance, Instant now) {
  if (!may_combine(detection)) return nullptr;
  seen_.resize(rules.size());
  const Combination* completed = nullptr;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Combination& rule = rules[i];
    if (rule.outside_maintenance && in_maintenance) continue;
    const bool is_first = has(rule.first, detection);
    const bool is_then = has(rule.then, detection);
    const bool done = (is_then && within(seen_[i].first, now, rule)) ||
                      (is_first && rule.any_order && within(seen_[i].then, now, rule));
    if (done) {
      seen_[i] = {};
      if (completed == nullptr) completed = &rule;
      continue;
    }
    if (is_first) seen_[i].first = now;
    if (is_then) seen_[i].then = now;
  }
  return completed;
}

}  // namespace akm::policy
