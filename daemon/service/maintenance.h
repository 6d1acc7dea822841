#pragma once
// Maintenance windows: bounded times in which evidence of harmless work is only observed (docs/policy.md).
// They are measured by the clock of the boot, which nobody can set, survive a restart of the daemon and end
// with a restart of the machine.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/base/result.h"
#include "daemon/store/sealed_store.h"

namespace akm::service {

inline constexpr std::string_view kMaintenanceRecord = "maintenance";
inline constexpr std::size_t kMaintenanceWindows = 256;
inline constexpr std::size_t kMaintenanceWhyBytes = 256;
inline constexpr std::size_t kMaintenanceScopeBytes = 64;

struct MaintenanceWindow {
  Instant since{};
  Instant until{};
  std::string why;
  bool operator==(const MaintenanceWindow&) const = default;
};

class Maintenance {
 public:
  using BootId = std::array<std::uint8_t, 16>;
  Maintenance(store::SealedStore& store, const BootId& boot) : store_(store), boot_(boot) {}

  /// What is still open of this boot. state_corrupt: nothing is open then.
  Status load(Instant now);
  /// Opens a window, or replaces the one of this scope; durable when it returns. invalid_argument for no
  /// reason, one with control characters, or a length of 0; limit_exceeded above kMaintenanceWindows; errors
  /// of the store.
  Status open(const std::string& scope, Duration length, const std::string& why, Instant now);
  /// not_found when none is open.
  Status close(const std::string& scope, Instant now);
  /// None: closed.
  [[nodiscard]] const MaintenanceWindow* window(const std::string& scope, Instant now) const;
  [[nodiscard]] std::map<std::string, MaintenanceWindow> windows(Instant now) const;
  /// When the next one ends.
  [[nodiscard]] std::optional<Instant> next_end(Instant now) const;

 private:
  [[nodiscard]] std::vector<std::uint8_t> encode(
      const std::map<std::string, MaintenanceWindow>& windows) const;
  Status put(std::map<std::string, MaintenanceWindow> windows);

  store::SealedStore& store_;
  BootId boot_;
  std::map<std::string, MaintenanceWindow> windows_;  // by scope
};

}  // namespace akm::service
