#pragma once
// D13 and D12: sysctls that keep programs from each other's memory and from the kernel, and those that say
// where core dumps go. A stronger value is the new baseline; a weaker one is told.
#include <string>
#include <utility>

#include "daemon/watch/baseline.h"
#include "daemon/watch/watch.h"

namespace akm::watch {

class KernelSettings final : public Watch {
 public:
  /// `sysctl`: the folder, /proc/sys.
  explicit KernelSettings(std::string sysctl = "/proc/sys") : sysctl_(std::move(sysctl)) {}
  void look(Instant now, const Tell& tell) override;

 private:
  std::string sysctl_;
  Baseline baseline_;
};

/// Whether `after` protects less than `before` ("kernel/yama/ptrace_scope"). False for a name that is not
/// watched.
bool is_weaker_setting(std::string_view name, std::string_view before, std::string_view after);

}  // namespace akm::watch
