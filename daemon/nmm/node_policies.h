#pragma once
// Policies on detections and maintenance windows, of the domain and of single ASRs and nodes: kept here, and
// told to each node until it has answered, also after a restart of the NMM (section 6, detection-policy).
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/base/policy_port.h"
#include "daemon/nmm/errands.h"
#include "daemon/nmm/registry.h"
#include "daemon/nmm/requests.h"
#include "daemon/nmm/running_clock.h"
#include "daemon/policy/adjudication.h"
#include "daemon/protocol/detection_policy.h"
#include "daemon/service/maintenance.h"

namespace akm::nmm {

inline constexpr std::string_view kDomainScope = "domain";
inline constexpr std::string_view kAtNodeScope = "at-node:";  // a window that was opened there
inline constexpr std::size_t kScopedPolicies = 256;
inline constexpr std::string_view kPoliciesRecord = "detection-policies";

/// By scope.
using ScopedPolicies = std::map<std::string, protocol::DetectionPolicy>;
/// The record of an NMM whose nodes have been told nothing yet.
std::vector<std::uint8_t> policies_record(const ScopedPolicies& policies);

class NodePolicies final : public PolicyPort {
 public:
  struct Parts {
    store::SealedStore& store;
    Registry& registry;
    Requests& requests;
    std::function<Instant()> now;
    /// An event for journal, history and D-Bus.
    std::function<void(std::string_view name, std::uint8_t severity, std::string_view sentence,
                       std::map<std::string, std::string> fields)>
        announce = {};
  };
  explicit NodePolicies(Parts parts) : parts_(std::move(parts)) {}

  /// What is stored; state_corrupt: the nodes keep what they have.
  Status load(const RunningClock::BootId& boot, Instant now);
  /// The node was heard: it is told what it does not have.
  void heard(protocol::NodeId node_id, Instant now);
  /// What each node is to be told has perhaps changed (memberships).
  void review(Instant now);
  void pump(Instant now);
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  /// Told when there is something to send, outside of a step.
  void on_changed(std::function<void()> handler) { changed_ = std::move(handler); }

  /// [recovery] of the domain and of the ASR, over `own`, which is what the NMM's configuration says. The
  /// names of never_evict are added to `names`.
  [[nodiscard]] policy::AdjudicationPolicy recovery(const policy::AdjudicationPolicy& own,
                                                    protocol::AsrId asr_id,
                                                    std::vector<std::string>& names) const;
  /// A window of the domain, the ASR or the node is open.
  [[nodiscard]] bool in_maintenance(protocol::NodeId node_id, protocol::AsrId asr_id, Instant now) const;
  /// When the domain's window ends, which is one of the NMM's own machine too; none: it is not open.
  [[nodiscard]] std::optional<Instant> domain_window(Instant now) const;

  /// Whether its policy lets a window be opened at the node itself.
  [[nodiscard]] bool lets_node_open(protocol::NodeId node_id) const;

  [[nodiscard]] const ScopedPolicies& policies() const { return policies_; }

  // PolicyPort
  [[nodiscard]] Result<std::map<std::string, std::string>> policy_facts(
      const std::string& scope) const override;
  Status set_policy_text(const std::string& scope, const std::string& text) override;
  [[nodiscard]] std::vector<MaintenanceFacts> maintenance() const override;
  Status start_maintenance(const std::string& scope, std::uint32_t seconds, const std::string& why) override;
  Status stop_maintenance(const std::string& scope) override;

 private:
  using Mark = std::uint64_t;  // of what a node has been told; 0: nothing, its own file holds
  using Policies = ScopedPolicies;
  using Told = std::map<protocol::NodeId, Mark>;
  friend std::vector<std::uint8_t> policies_record(const ScopedPolicies& policies);

  [[nodiscard]] Status check_scope(const std::string& scope, bool nodes_too) const;
  [[nodiscard]] protocol::DetectionPolicy meant_for(protocol::NodeId node_id, Instant now) const;
  [[nodiscard]] Mark mark_of(const protocol::DetectionPolicy& policy, protocol::NodeId node_id,
                             Instant now) const;
  [[nodiscard]] std::optional<service::MaintenanceWindow> window_of(protocol::NodeId node_id,
                                                                    Instant now) const;
  [[nodiscard]] bool wants(protocol::NodeId node_id, Instant now) const;
  void ended(const Errand& errand, Mark sent, const Outcome& outcome, Instant now);
  [[nodiscard]] static std::vector<std::uint8_t> encode(const Policies& policies, const Told& told);
  Status store(const Policies& policies);

  Parts parts_;
  std::optional<service::Maintenance> windows_;
  Policies policies_;
  Told told_;
  bool told_unsaved_ = false;
  Errands errands_;
  std::function<void()> changed_;
};

}  // namespace akm::nmm
