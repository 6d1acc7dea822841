#pragma once
// The table [probes] of akmd and akm-nmmd.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/sentry/our_programs.h"
#include "daemon/service/config.h"

namespace akm::sentry {

struct ProbeSettings {
  bool enabled = true;
  std::string config_folder = {};
  std::uint32_t check_interval_s = 5;
  std::string pin_folder = {};                 // empty: the probes end with the daemon
  std::vector<std::string> our_programs = {};  // empty: those beside us
  [[nodiscard]] std::vector<std::string> programs() const {
    return our_programs.empty() ? OurPrograms::beside_us() : our_programs;
  }
};

/// `daemon`: whose pins they are, "akmd".
void add_probe_settings(service::Schema& schema, std::string_view daemon);
/// config_invalid.
Result<ProbeSettings> probe_settings(const service::Config& config);

}  // namespace akm::sentry
