#pragma once
// D33: inputs that say that somebody is at the machine: chassis intrusion of hwmon, files that the
// configuration names (a GPIO's value), switches of input devices.
#include <string>
#include <utility>
#include <vector>

#include "daemon/watch/baseline.h"
#include "daemon/watch/watch.h"

namespace akm::watch {

inline constexpr std::size_t kTamperInputsMax = 32;

class TamperInputs final : public Watch {
 public:
  /// `configured`: files whose content is compared, and /dev/input/... whose switches are. `sys`: /sys.
  explicit TamperInputs(std::vector<std::string> configured, std::string sys = "/sys")
      : configured_(std::move(configured)), sys_(std::move(sys)) {}
  void look(Instant now, const Tell& tell) override;

 private:
  std::vector<std::string> configured_;
  std::string sys_;
  Baseline baseline_;
};

}  // namespace akm::watch
