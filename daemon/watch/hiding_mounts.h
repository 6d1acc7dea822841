#pragma once
// D11 and the part of D7 that user space sees: a mount on, above or below the daemon's paths that was not
// there at the start, or one that went. In our mount namespace, and in that of process 1 where it is another.
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "daemon/watch/baseline.h"
#include "daemon/watch/watch.h"

namespace akm::watch {

class HidingMounts final : public Watch {
 public:
  /// `paths`: whose mounts count (D11); `pins`: the folder of the sensor's pins, or empty (D7). `proc`:
  /// /proc.
  HidingMounts(std::vector<std::string> paths, std::string pins, std::string proc = "/proc");

  [[nodiscard]] int fd() const override { return table_.get(); }
  [[nodiscard]] short events() const override { return POLLPRI; }
  void look(Instant now, const Tell& tell) override;

 private:
  void add(Facts& facts, const std::string& process, const std::string& prefix) const;
  void compare_pins(Instant now, const Tell& tell);

  std::vector<std::string> paths_;
  std::string pins_;
  std::string proc_;
  UniqueFd table_;
  Baseline mounts_;
  Baseline pin_folder_;
};

}  // namespace akm::watch
