#pragma once
// What one look tells, kept short: a package upgrade changes many files at once.
#include <cstddef>
#include <map>
#include <utility>

#include "daemon/policy/grading.h"
#include "daemon/watch/watch.h"

namespace akm::watch {

/// Told of one class and grade in one look; of the rest, how many they are.
inline constexpr std::size_t kToldAtOnce = 8;

class OneLook {
 public:
  OneLook(const Tell& tell, Instant now) : tell_(tell), now_(now) {}
  OneLook(const OneLook&) = delete;
  OneLook& operator=(const OneLook&) = delete;
  /// Tells of the rest, with the grade that it had: many harmless changes do not hide one that is not.
  ~OneLook();

  /// Until this goes.
  Tell tell();

 private:
  const Tell& tell_;
  Instant now_;
  std::map<std::pair<policy::DetectionClass, policy::Grade>, std::size_t> told_;
};

}  // namespace akm::watch
