#pragma once
// The earliest of several instants, some of which may not be there.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

#include "daemon/base/instant.h"

namespace akm {

class Earliest {
 public:
  void consider(Instant at) { ns_ = std::min(ns_, at.ns); }
  void consider(const std::optional<Instant>& at) {
    if (at) consider(*at);
  }
  /// Nothing where none was there.
  [[nodiscard]] std::optional<Instant> at() const {
    return ns_ == kNone ? std::nullopt : std::optional(Instant{ns_});
  }

 private:
  // Not optional: this runs several times for each frame, and a comparison of optionals is branches.
  static constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();
  std::int64_t ns_ = kNone;
};

}  // namespace akm
