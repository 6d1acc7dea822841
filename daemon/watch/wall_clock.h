#pragma once
// D29: the wall clock was set. Nothing here depends on it, but logs do.
#include <functional>
#include <optional>

#include "daemon/base/unique_fd.h"
#include "daemon/watch/watch.h"

namespace akm::watch {

class WallClock final : public Watch {
 public:
  /// `jump`: the least difference from the clock that cannot be set that is told; a thousandth of the time
  /// since the last look is what NTP may do slowly. `offset_ns`: of the wall clock from the time since boot,
  /// now.
  explicit WallClock(Duration jump, std::function<std::int64_t()> offset_ns);

  [[nodiscard]] int fd() const override { return timer_.get(); }
  bool nudged() override;
  void look(Instant now, const Tell& tell) override;

 private:
  Duration jump_;
  std::function<std::int64_t()> offset_ns_;
  std::optional<std::int64_t> last_offset_ns_;
  Instant last_;
  UniqueFd timer_;  // never due; cancelled when the clock is set
};

}  // namespace akm::watch
