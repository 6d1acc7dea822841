#pragma once
// The gate on the daemon's UDP port, for each role that has one.
#include <cstdint>

#include "bpf/loader/gate_hook.h"
#include "daemon/service/config.h"

namespace akm::service {

struct GateSettings {
  bool enabled = true;
  bpf::GateMode mode = bpf::GateMode::automatic;
  std::uint32_t ids_max = 16384;
  std::uint32_t source_per_s = 200;
  std::uint32_t total_per_s = 5000;
};

/// `ids_max`: the default for this role.
void add_gate_settings(Schema& schema, std::int64_t ids_max);
GateSettings gate_settings(const Config& config);

}  // namespace akm::service
