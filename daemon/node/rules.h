#pragma once
// Which policy on detections holds at this node: its NMM's, where that has sent one, else the one of its own
// file; and the maintenance windows that are open.
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/policy_port.h"
#include "daemon/policy/node_policy.h"
#include "daemon/protocol/detection_policy.h"
#include "daemon/service/maintenance.h"

namespace akm::node {

/// Of the window that the NMM has opened; the operator's own has the scope "".
inline constexpr std::string_view kNmmScope = "nmm";

class Rules final : public PolicyPort {
 public:
  struct Parts {
    store::SealedStore* store;  // null: nothing is kept, and no window is opened
    service::Maintenance::BootId boot{};
    policy::NodePolicy own;          // of the file
    protocol::DetectionPolicy file;  // its words, for the digest
    std::function<Instant()> now;
    std::function<void(const policy::NodePolicy&)> use;
    std::function<void(std::optional<Instant> until)> maintain;
    std::function<void(EventRecord event, std::string_view sentence)> say;
  };
  explicit Rules(Parts parts);

  /// Takes up what is stored. What is damaged is said, and the node's own policy holds.
  void start();
  /// What the NMM says; durable when it returns. malformed, refused_by_policy with what is wrong; errors of
  /// the store.
  Status take(protocol::BodyView body);
  /// The node belongs to nobody any more.
  Status forget();

  /// The window that was opened at this node; null: none is open.
  [[nodiscard]] const service::MaintenanceWindow* own_window() const;
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached();

  // PolicyPort
  [[nodiscard]] Result<std::map<std::string, std::string>> policy_facts(
      const std::string& scope) const override;
  Status set_policy_text(const std::string& scope, const std::string& text) override;
  [[nodiscard]] std::vector<MaintenanceFacts> maintenance() const override;
  Status start_maintenance(const std::string& scope, std::uint32_t seconds, const std::string& why) override;
  Status stop_maintenance(const std::string& scope) override;

 private:
  Status use(const protocol::DetectionPolicy& policy);
  Status window_of_nmm(const protocol::DetectionPolicy& policy);
  void close_what_is_refused();
  void windows_changed();

  Parts parts_;
  std::optional<service::Maintenance> windows_;
  protocol::DetectionPolicy of_nmm_;  // own: there is none
  policy::NodePolicy in_force_;
  std::optional<Instant> told_until_;  // the window that was told last is open
};

}  // namespace akm::node
