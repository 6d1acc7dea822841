#pragma once
// Requests from nodes: activate, heartbeat, breach-report, resync. All of them came under the node's
// provisioning ASR; what stands in them is still checked like anything from outside.
#include <cstdint>
#include <map>
#include <optional>

#include "daemon/nmm/attestations.h"
#include "daemon/nmm/core.h"
#include "daemon/nmm/lifecycle.h"
#include "daemon/nmm/provisioner.h"
#include "daemon/nmm/recovery.h"
#include "daemon/nmm/upkeep.h"

namespace akm::nmm {

class Incoming {
 public:
  struct Parts {
    Core& core;
    Provisioner& provisioner;
    Recovery& recovery;
    Upkeep& upkeep;
    Attestations& attestations;
    Lifecycle& lifecycle;
  };
  explicit Incoming(const Parts& parts) : core_(parts.core), parts_(parts) {}

  void request(const protocol::RequestReceived& request);
  /// Two live copies of one node, or an old one, seen by the NMM on a provisioning ASR.
  void contradiction(const protocol::ContradictionSeen& seen);
  /// A frame of the node was accepted.
  void heard(protocol::NodeId node_id);

 private:
  struct Answer {
    protocol::ControlStatus status = protocol::ControlStatus::ok;
    std::vector<std::uint8_t> body{};
    std::optional<protocol::HardwareValue> bind{};  // when the answer is on its way
    bool attest = false;                            // the same
  };
  Answer answer(const protocol::RequestReceived& request, const NodeRecord& node);
  Answer activate(const protocol::RequestReceived& request, const NodeRecord& node);
  Answer mismatch(const protocol::ActivateRequest& body, const protocol::RequestReceived& request,
                  const NodeRecord& node);
  void note_other(protocol::NodeId node_id, Witness witness, bool rehome);
  Answer accept(const protocol::ActivateRequest& body, const protocol::RequestReceived& request,
                const NodeRecord& node, bool current);
  Answer heartbeat(const protocol::RequestReceived& request, const NodeRecord& node);
  Answer breach_report(const protocol::RequestReceived& request, const NodeRecord& node);
  Answer resync(const protocol::RequestReceived& request, const NodeRecord& node);
  Answer refuse_activation(const NodeRecord& node, protocol::ControlStatus status, std::string_view why);
  void follow_binding(const protocol::RequestReceived& request, const NodeRecord& node);
  void note_window(NodeRecord& node, const protocol::Heartbeat& beat);
  void take_over(NodeRecord& node, std::map<protocol::AsrId, ReportedAsr> reported);
  void compare(protocol::NodeId node_id, const std::map<protocol::AsrId, ReportedAsr>& reported);
  void stray(protocol::NodeId node_id, protocol::AsrId asr_id, std::uint32_t generation);
  /// More members report the generation that is known here than a newer one; 0: nobody claims it just now.
  [[nodiscard]] bool contradicted(const AsrRecord& record, protocol::NodeId claimant) const;
  void weigh(const AsrRecord& record);
  void ahead(const AsrRecord& record, protocol::NodeId node_id, std::uint32_t reported);
  void confirm_if_all(protocol::AsrId asr_id);
  void compare_one(const AsrRecord& record, protocol::NodeId node_id, std::uint32_t reported);
  bool resynchronise(const AsrRecord& record, std::uint32_t at_least);

  Core& core_;
  Parts parts_;
  std::map<protocol::AsrId, Instant> last_resync_;
  std::set<protocol::AsrId> told_unknown_;
};

}  // namespace akm::nmm
