#pragma once
// Evidence that alone is explained easily and together is not. A combination does not raise the grade of what
// it is made of, whose ceilings stay: it is a detection of its own, of class combined-evidence.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/policy/catalogue.h"

namespace akm::policy {

inline constexpr std::size_t kCombinations = 16;
inline constexpr std::uint32_t kCombinationWindowS = 86400;
inline constexpr std::size_t kRuleNameBytes = 64;

/// Whether evidence of the class may be part of one: what anybody can cause never is, nor what tells of
/// another member.
constexpr bool may_combine(DetectionClass detection) {
  return entry_of(detection).ceiling != Grade::observe && detection != DetectionClass::combined_evidence &&
         detection != DetectionClass::cloned_identity && detection != DetectionClass::stale_incarnation;
}

struct Combination {
  std::string name;
  std::vector<DetectionClass> first;  // any of these,
  std::vector<DetectionClass> then;   // and any of these
  std::uint32_t within_s = 60;
  bool any_order = false;
  bool outside_maintenance = false;  // an open window keeps it from counting
  bool operator==(const Combination&) const = default;
};
/// D5 or D6 with D7 within 60 s, in any order; D21 followed by D10 or D19 within 10 minutes outside of a
/// maintenance window.
std::vector<Combination> standard_combinations();

/// How far each combination of one policy has come. Bounded: two times for each.
class CombinationProgress {
 public:
  /// Takes one detection of grade evidence or more; the combination that it completes, which begins anew.
  const Combination* note(const std::vector<Combination>& rules, DetectionClass detection,
                          bool in_maintenance, Instant now);

  struct Seen {
    std::optional<Instant> first;
    std::optional<Instant> then;
  };
  /// In the order of the rules; shorter where nothing was noted yet.
  [[nodiscard]] const std::vector<Seen>& seen() const { return seen_; }
  void restore(std::size_t rule, const Seen& seen) {
    if (seen_.size() <= rule) seen_.resize(rule + 1);
    seen_[rule] = seen;
  }

 private:
  std::vector<Seen> seen_;  // one for each of the rules
};

}  // namespace akm::policy
