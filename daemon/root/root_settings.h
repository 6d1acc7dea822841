#pragma once
// What only a Root is configured with.
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/protocol/asr.h"

namespace akm::root {

struct RootSettings {
  std::string name = "root";           // for people; goes into bundles
  std::vector<std::string> endpoints;  // where NMMs reach this Root; goes into bundles
  protocol::Policy policy;             // of the relationships with NMMs
  std::uint64_t bundle_expiry_s = 7 * 86400;
};

}  // namespace akm::root
