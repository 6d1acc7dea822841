#pragma once
// The NMM's hand on a node's bus: asynchronous client of org.akm.Node1 at a given address. The role wires it
// into its loop like Bus: watch fd() for events(), call process() when ready or at timeout().
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/base/instant.h"
#include "daemon/base/unique_fd.h"
#include "daemon/node/control_port.h"
#include "dbus/connection.h"

namespace akm::dbus {

class RemoteNode {
 public:
  /// invalid_argument for an address other than a Unix socket's; unreachable when nothing listens there.
  static Result<std::unique_ptr<RemoteNode>> connect(const std::string& bus_address);

  [[nodiscard]] int fd() const { return connection_->fd(); }
  [[nodiscard]] short events() const { return connection_->events(); }
  [[nodiscard]] std::optional<Instant> timeout() const { return connection_->timeout(); }
  /// Runs replies, also those of calls that timed out. An error when the connection is over; the calls that
  /// waited have got `unreachable` by then, and the object is of no further use. Do not destroy it from
  /// within a reply.
  Status process();

  /// `value` has exactly 32 bytes.
  void read_hardware_identity(Duration timeout, Reply<node::ControlPort::HardwareIdentity> reply);
  /// `bundle`: a sealed memfd (sealed_memfd.h). The node's own error comes back as it is.
  void provision(UniqueFd bundle, Duration timeout, Done done);

 private:
  explicit RemoteNode(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
  std::unique_ptr<Connection> connection_;
};

}  // namespace akm::dbus
