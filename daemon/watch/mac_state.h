#pragma once
// D14: SELinux, AppArmor, lockdown, IMA and the list of security modules, as they were at the start.
#include <string>
#include <utility>

#include "daemon/base/result.h"
#include "daemon/watch/baseline.h"
#include "daemon/watch/watch.h"

namespace akm::watch {

class MacState final : public Watch {
 public:
  /// `sys`: the folder /sys.
  explicit MacState(std::string sys = "/sys") : sys_(std::move(sys)) {}
  void look(Instant now, const Tell& tell) override;

 private:
  /// io_failed where something cannot be looked at now: not the same as gone.
  [[nodiscard]] Result<Facts> facts() const;
  std::string sys_;
  Baseline baseline_;
};

/// "none [integrity] confidentiality": the one in brackets. Empty when there is none.
std::string lockdown_mode(std::string_view text);
/// How many profiles of /sys/kernel/security/apparmor/profiles are enforced.
std::size_t enforced_profiles(std::string_view text);

}  // namespace akm::watch
