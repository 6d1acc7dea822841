#pragma once
// What a direct provisioning shows the operator before anything secret leaves (docs/protocol.md, section 7,
// way (c)); of a node at its NMM, and of an NMM at its Root.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace akm {

struct DirectOffer {
  std::uint64_t handle = 0;
  std::string fingerprint;  // as the other side shows it too
  std::vector<std::uint8_t> hardware_value;
  std::vector<std::pair<std::string, std::string>> sources;
  bool confirm = true;  // policy wants an operator to compare
};

}  // namespace akm
