#pragma once
// The body of detection-policy (section 6): what a node is to do about detections, as its NMM says. Its names
// are those of the text form (docs/policy.md); here they are only bounded, the node checks what they mean.
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "daemon/protocol/control_body.h"

namespace akm::protocol {

inline constexpr std::size_t kPolicySettings = 512;
inline constexpr std::size_t kPolicyTables = 8;
inline constexpr std::size_t kPolicyTableRows = 64;
inline constexpr std::size_t kPolicyListItems = 64;
inline constexpr std::size_t kPolicyTextBytes = 1024;
inline constexpr std::uint32_t kPolicyMaintenanceS = 86400;

struct DetectionPolicy {
  using Value = std::variant<std::string, std::int64_t, bool, std::vector<std::string>>;
  using Values = std::map<std::string, Value>;
  using Tables = std::map<std::string, std::vector<Values>>;
  bool own = true;  // the node's own file holds; what follows is empty
  Values set;       // what is not the default
  Tables tables;
  std::uint32_t maintenance_s = 0;  // a window that is open for so long from now on; 0: none
  std::string why;                  // of that window
  [[nodiscard]] Body encode() const;
  static Result<DetectionPolicy> decode(BodyView body);
  bool operator==(const DetectionPolicy&) const = default;
};

}  // namespace akm::protocol
