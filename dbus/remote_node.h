#pragma once
// The NMM's hand on a node's bus: asynchronous client of org.akm.Node1 at a given address. The role wires it
// into its loop like Bus: watch fd() for events(), call process() when ready or at timeout().
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/base/instant.h"
#include "daemon/base/unique_fd.h"
#include "daemon/node/control_port.h"
#include "dbus/connection.h"
#include "dbus/direct_address.h"

namespace akm::dbus {

class Writer;

class RemoteNode {
 public:
  /// unreachable when nothing listens there, or the program cannot be run.
  static Result<std::unique_ptr<RemoteNode>> connect(const DirectAddress& address);

  [[nodiscard]] int fd() const { return connection_->fd(); }
  [[nodiscard]] short events() const { return connection_->events(); }
  [[nodiscard]] std::optional<Instant> timeout() const { return connection_->timeout(); }
  /// Runs replies, also those of calls that timed out. An error when the connection is over; the calls that
  /// waited have got `unreachable` by then, and the object is of no further use. Do not destroy it from
  /// within a reply.
  Status process();

  /// Value and key have exactly 32 bytes; the fingerprint is the node's own word.
  void offer_handover(Duration timeout, Reply<node::ControlPort::Offer> reply);
  /// `bundle`: a sealed memfd (sealed_memfd.h). The node's own error comes back as it is.
  void provision(UniqueFd bundle, Duration timeout, Done done);
  /// The same over what passes no descriptors.
  void provision_sealed(const std::vector<std::uint8_t>& sealed, Duration timeout, Done done);

 private:
  void provision_by(const char* member, const std::function<void(Writer&)>& write, Duration timeout,
                    Done done);
  explicit RemoteNode(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
  std::unique_ptr<Connection> connection_;
};

}  // namespace akm::dbus
