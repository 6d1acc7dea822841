#pragma once
// Whether a node still runs what it ran: quotes of its TPM, checked against its first one (section 6).
#include <cstdint>

#include "daemon/nmm/control_port.h"
#include "daemon/nmm/core.h"
#include "daemon/nmm/recovery.h"
#include "daemon/protocol/attestation.h"

namespace akm::nmm {

class Attestations {
 public:
  Attestations(Core& core, Recovery& recovery) : core_(core), recovery_(recovery) {}

  /// What came with an activation, where policy.attestation wants it; the first key and PCRs are remembered.
  /// refused_by_policy without a quote, with one that is not this node's or with PCRs that are not golden,
  /// hardware_mismatch for another TPM than before; errors of the store.
  Status activation(const NodeRecord& node, const protocol::ActivateRequest& request, std::uint32_t serial);
  /// The nonce of its quote is the same for a whole serial, so that an older one could have come: asked once
  /// more with a fresh one.
  void after_activation(protocol::NodeId node_id);
  /// As in the control port.
  Status set_golden(protocol::NodeId node_id, const protocol::Digest32& pcr_digest);
  void attest(protocol::NodeId node_id, bool accept, Reply<ControlPort::Attested> reply);

 private:
  Result<ControlPort::Attested> answered(protocol::NodeId node_id, bool accept, const protocol::Body& nonce,
                                         const Outcome& outcome);
  Result<std::string> compare(const NodeRecord& node, const protocol::Body& key,
                              const protocol::QuotedState& state, bool accept);
  void raise(protocol::NodeId node_id, policy::Grade grade, const std::string& what);

  Core& core_;
  Recovery& recovery_;
};

}  // namespace akm::nmm
