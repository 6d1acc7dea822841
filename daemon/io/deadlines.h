#pragma once
// Who waits for what time. A deadline is its owner's state; the loop only asks.
#include <functional>
#include <optional>
#include <vector>

#include "daemon/base/instant.h"

namespace akm::io {

class Deadlines {
 public:
  using Source = std::function<std::optional<Instant>()>;

  void add(Source source, std::function<void()> expired);
  /// The earliest of all; none when nobody waits.
  [[nodiscard]] std::optional<Instant> earliest() const;
  /// Calls the owners whose deadline is not after `now`, the earliest first, each once.
  void run_expired(Instant now);

 private:
  struct Owner {
    Source source;
    std::function<void()> expired;
  };
  std::vector<Owner> owners_;
};

}  // namespace akm::io
