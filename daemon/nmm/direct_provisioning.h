#pragma once
// Way (c) of section 7: the node's bus at an address that the operator names; the credentials travel as a
// sealed memfd.
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "daemon/io/loop.h"
#include "daemon/nmm/control_port.h"
#include "daemon/nmm/provisioner.h"
#include "dbus/remote_node.h"

namespace akm::nmm {

inline constexpr std::size_t kDirectSessions = 16;
/// The node seals what it gets, perhaps with a slow TPM.
inline constexpr Duration kDirectTimeout = std::chrono::seconds(30);

class DirectProvisioning {
 public:
  /// `loop` outlives it. `after` is called whenever a session went on outside of a call: what it left for the
  /// engine is to be sent.
  DirectProvisioning(io::Loop& loop, Provisioner& provisioner, std::function<void()> after);
  ~DirectProvisioning();
  DirectProvisioning(const DirectProvisioning&) = delete;
  DirectProvisioning& operator=(const DirectProvisioning&) = delete;

  /// busy above kDirectSessions; errors of the address, the bus and the node.
  void start(ControlPort::Prepare what, const std::string& bus_address, Reply<std::uint64_t> reply);

 private:
  struct Session {
    std::unique_ptr<dbus::RemoteNode> node;
    ControlPort::Prepare what;
    Reply<std::uint64_t> reply;
    std::optional<io::Loop::WatchId> watch;
    short events = 0;
    bool over = false;
  };
  void identified(Session& session, Result<node::ControlPort::HardwareIdentity> identity);
  void finish(Session& session, Result<std::uint64_t> result);
  void process(Session& session);
  void end_of_turn();

  io::Loop& loop_;
  Provisioner& provisioner_;
  std::function<void()> after_;
  std::list<Session> sessions_;
};

}  // namespace akm::nmm
