#pragma once
// The table [watch] of akmd and akm-nmmd.
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/policy/detection.h"
#include "daemon/service/config.h"

namespace akm::watch {

struct WatchSettings {
  bool enabled = true;
  std::vector<policy::DetectionClass> off;  // these are not looked for here; the sensor of the kernel goes on
  std::uint32_t interval_s = 60;
  std::uint32_t tpm_interval_s = 600;
  std::uint32_t hardware_interval_s = 3600;
  std::uint32_t clock_jump_ms = 1000;
  std::uint32_t scan_rate = 100;
  std::vector<std::string> tamper_inputs;
  std::vector<std::string> library_folders;

  [[nodiscard]] bool looks_for(policy::DetectionClass detection) const;
};

void add_watch_settings(service::Schema& schema);
/// config_invalid.
Result<WatchSettings> watch_settings(const service::Config& config);

}  // namespace akm::watch
