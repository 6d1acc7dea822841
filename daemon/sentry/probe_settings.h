#pragma once
// The table [probes] of akmd and akm-nmmd, and the probes that it asks for.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/loader/probe_set.h"
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

/// Null with a finding when they are switched off or cannot be loaded.
std::unique_ptr<bpf::ProbeSet> open_probes(const ProbeSettings& settings, const std::string& state_folder,
                                           std::vector<std::string>& findings);

}  // namespace akm::sentry
