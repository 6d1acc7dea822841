#pragma once
// A node's way on an operator's word: its next serial, its move to changed hardware, its end.
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/nmm/core.h"
#include "daemon/nmm/provisioner.h"
#include "daemon/nmm/recovery.h"
#include "daemon/nmm/waiters.h"

namespace akm::nmm {

class Lifecycle {
 public:
  Lifecycle(Core& core, Provisioner& provisioner, Recovery& recovery);

  void reprovision(protocol::NodeId node_id, Done done);
  void rehome(protocol::NodeId node_id, std::span<const std::uint8_t> hardware_value, Done done);
  void retire(protocol::NodeId node_id, bool forget, Done done);
  [[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> describe(
      protocol::NodeId node_id) const;

  /// The node was heard: when it is on its newest serial, whoever waits for that is answered.
  void heard(protocol::NodeId node_id);
  [[nodiscard]] std::optional<Instant> next_deadline() const { return waiters_.next_deadline(); }
  void deadline_reached(Instant now);

 private:
  Status next_serial(protocol::NodeId node_id, const protocol::HardwareValue& hardware);
  static Status check_single(const NodeRecord& node);
  Status check_rehome(const NodeRecord& node, std::span<const std::uint8_t> hardware_value) const;
  Status take_out(protocol::NodeId node_id, bool forget);
  void end(const NodeRecord& node);
  void zeroized(protocol::NodeId node_id, std::span<const std::uint8_t> body);
  void wait(protocol::NodeId node_id, Done done);

  Core& core_;
  Provisioner& provisioner_;
  Recovery& recovery_;
  Waiters waiters_;  // by node
};

}  // namespace akm::nmm
