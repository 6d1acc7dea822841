#pragma once
// The NMM's hand on a node's bus, and the Root's on an NMM's: asynchronous client of org.akm.Node1 or
// org.akm.Nmm1 at a given address. The role wires it into its loop like Bus: watch fd() for events(), call
// process() when ready or at timeout().
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/base/instant.h"
#include "daemon/base/unique_fd.h"
#include "dbus/connection.h"
#include "dbus/direct_address.h"

namespace akm::dbus {

class Writer;

/// Whose credentials are handed over: to its Root an NMM is what a node is to an NMM.
enum class RemoteRole : std::uint8_t { node, nmm };

/// What the other side says of itself, and its key for this handover.
struct RemoteOffer {
  std::vector<std::uint8_t> value;                           // hardware value, 32 bytes
  std::vector<std::pair<std::string, std::string>> sources;  // of it
  std::vector<std::uint8_t> key;                             // X25519, 32 bytes
  std::string fingerprint;                                   // its own word
  std::uint64_t nmm_id = 0;                                  // of an NMM that has an id; 0: none
};

class RemoteNode {
 public:
  /// unreachable when nothing listens there, or the program cannot be run.
  static Result<std::unique_ptr<RemoteNode>> connect(const DirectAddress& address,
                                                     RemoteRole role = RemoteRole::node);

  [[nodiscard]] int fd() const { return connection_->fd(); }
  [[nodiscard]] short events() const { return connection_->events(); }
  [[nodiscard]] std::optional<Instant> timeout() const { return connection_->timeout(); }
  /// Runs replies, also those of calls that timed out. An error when the connection is over; the calls that
  /// waited have got `unreachable` by then, and the object is of no further use. Do not destroy it from
  /// within a reply.
  Status process();

  void offer_handover(Duration timeout, Reply<RemoteOffer> reply);
  /// `bundle`: a sealed memfd (sealed_memfd.h). The node's own error comes back as it is.
  void provision(UniqueFd bundle, Duration timeout, Done done);
  /// The same over what passes no descriptors.
  void provision_sealed(const std::vector<std::uint8_t>& sealed, Duration timeout, Done done);

 private:
  void provision_by(const char* member, const std::function<void(Writer&)>& write, Duration timeout,
                    Done done);
  RemoteNode(std::unique_ptr<Connection> connection, RemoteRole role)
      : connection_(std::move(connection)), role_(role) {}
  std::unique_ptr<Connection> connection_;
  RemoteRole role_;
};

}  // namespace akm::dbus
