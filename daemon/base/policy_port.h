#pragma once
// What can be asked about a daemon's policy on detections and its maintenance windows (D-Bus
// org.akm.Policy1): the adaptor knows it only through this.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/base/result.h"

namespace akm {

struct MaintenanceFacts {
  std::string scope;  // "": this node; "domain", "asr:ID", "node:ID" at an NMM
  std::int64_t since_ns = 0;
  std::int64_t until_ns = 0;  // since boot, as all times
  std::string why;
};

class PolicyPort {
 public:
  virtual ~PolicyPort() = default;
  /// What is in force, by name: "source", "digest", ... not_found for a scope that there is not.
  [[nodiscard]] virtual Result<std::map<std::string, std::string>> policy_facts(
      const std::string& scope) const = 0;
  /// A policy file's text for the nodes of a scope; empty: none any more. Durable when it returns; the nodes
  /// are told until each has answered. config_invalid naming the line; not_supported at a node.
  virtual Status set_policy_text(const std::string& scope, const std::string& text) = 0;
  [[nodiscard]] virtual std::vector<MaintenanceFacts> maintenance() const = 0;
  virtual Status start_maintenance(const std::string& scope, std::uint32_t seconds,
                                   const std::string& why) = 0;
  virtual Status stop_maintenance(const std::string& scope) = 0;
};

}  // namespace akm
