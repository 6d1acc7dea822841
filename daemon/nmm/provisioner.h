#pragma once
// Makes provisioning credentials (section 7): the node's record, the NMM's side of the provisioning ASR, the
// bundle.
#include <functional>
#include <string>
#include <vector>

#include "daemon/nmm/control_port.h"
#include "daemon/nmm/core.h"
#include "daemon/protocol/bundle.h"
#include "daemon/protocol/zeroize_receipt.h"

namespace akm::nmm {

class Provisioner {
 public:
  explicit Provisioner(Core& core) : core_(core) {}

  /// New node, or the next serial of the one with this name. The record is durable and the NMM's engine knows
  /// the relationship when it returns; an earlier serial stays good until the node is heard under the new
  /// one.
  Result<protocol::BundleContent> prepare(const ControlPort::Prepare& what);
  /// Whether prepare() would, so that a drive or a token is not touched in vain.
  [[nodiscard]] Status check(const ControlPort::Prepare& what) const;
  /// (a) of section 7: NODE.akmbundle in a folder or on a drive, and the one-time code in a sealed memfd.
  /// What touches the drive and the sealing are done aside: `reply` is called when the file is on the drive
  /// and the drive is let go. `settle` is called when the credentials are made, which is later than this
  /// returns. busy when many wait.
  void prepare_file(const ControlPort::Prepare& what, const ControlPort::Destination& to,
                    std::function<void()> settle, Reply<ControlPort::Prepared> reply);
  /// Looks at the machine's drives, aside. busy.
  void list_drives(Reply<std::vector<DriveSnapshot>> reply);
  /// A node that was prepared without its hardware value has told it: the next serial, bound to it, goes to
  /// the node in an install under the present one.
  Status bind(protocol::NodeId node_id, const protocol::HardwareValue& hardware);
  /// Of the node's serial in this record (protocol.md, section 7).
  Result<protocol::ReceiptKey> receipt_key(const NodeRecord& record);
  /// The same once more, for a node that is still on the serial before.
  Status send_binding(protocol::NodeId node_id);
  /// A replacement: the NMM's side of a node's provisioning ASR from its restored record, so that its
  /// failsafe chain leads to the node. False when it cannot be derived, which is logged.
  bool reach(const NodeRecord& record);
  /// Whether reach() is done for all: the engine has the relationship under the newest serial, and has stored
  /// it. Or there is nothing to do: the node is gone, or nothing can be derived for it.
  [[nodiscard]] bool all_reached() const;
  /// reach() for those for which it is not done (the disk had no room); `reached` for each that could be.
  void reach_missing(const std::function<void(protocol::NodeId)>& reached);

 private:
  Result<NodeRecord> next_record(const ControlPort::Prepare& what);
  Result<protocol::Asr> derive(const NodeRecord& record);
  [[nodiscard]] bool is_reached(const NodeRecord& record) const;
  void point_at(const NodeRecord& record);
  [[nodiscard]] protocol::ProvisioningIdentity identity_of(const NodeRecord& record) const;

  Core& core_;
};

}  // namespace akm::nmm
