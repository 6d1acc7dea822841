#pragma once
// Named values as they were, compared with what they are.
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/policy/detection.h"

namespace akm::watch {

/// What a look found. A name that is missing is a value too: kAbsent.
using Facts = std::map<std::string, std::string>;
inline constexpr std::size_t kFactsMax = 1024;
inline constexpr std::string_view kAbsent = "absent";

struct Change {
  std::string name;
  std::string before;
  std::string after;
  bool back = false;  // as in the baseline again
};

class Baseline {
 public:
  /// What differs from the last look, each once; nothing at the first one. Facts beyond kFactsMax are left
  /// out.
  std::vector<Change> compare(Facts now);
  /// From now on the value of this name is what is right.
  void accept(const std::string& name);
  /// The first look is over.
  [[nodiscard]] bool ready() const { return ready_; }

 private:
  bool ready_ = false;
  Facts right_;
  Facts last_;
};

/// The detection of a change: evidence "what", "before", "after"; one that is back is an observation.
policy::Detection seen(policy::DetectionClass detection, Instant now, const Change& change);

}  // namespace akm::watch
