#pragma once
// Way (c) of section 7: the node's bus at an address that the operator names. The credentials travel as a
// sealed memfd over a Unix socket, and sealed to the node's key over everything else.
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
/// So long an operator may compare two fingerprints; half of what the node's offer lasts.
inline constexpr Duration kConfirmTimeout = std::chrono::minutes(5);

class DirectProvisioning {
 public:
  using Offer = ControlPort::DirectOffer;

  /// `loop` outlives it. `after` is called whenever a session went on outside of a call: what it left for the
  /// engine is to be sent.
  DirectProvisioning(io::Loop& loop, Provisioner& provisioner, const DirectSettings& settings,
                     std::function<void()> after);
  ~DirectProvisioning();
  DirectProvisioning(const DirectProvisioning&) = delete;
  DirectProvisioning& operator=(const DirectProvisioning&) = delete;

  /// Connects and asks the node who it is; nothing secret leaves. busy above kDirectSessions; errors of the
  /// address, the bus and the node.
  void begin(ControlPort::Prepare what, const std::string& bus_address, Reply<Offer> reply);
  /// Hands over, when the fingerprint is the one of the offer; else not_authentic, and the session is over.
  void confirm(std::uint64_t handle, std::string_view fingerprint, Reply<std::uint64_t> reply);
  /// Both at once; refused_by_policy where an operator has to compare.
  void start(ControlPort::Prepare what, const std::string& bus_address, Reply<std::uint64_t> reply);

 private:
  struct Session {
    std::uint64_t handle = 0;
    std::unique_ptr<dbus::RemoteNode> node;
    ControlPort::Prepare what;
    bool is_local = false;
    Reply<Offer> begun;
    Reply<std::uint64_t> done;
    std::optional<node::ControlPort::Offer> offer;  // the node's
    std::optional<Instant> until;                   // the operator's word is waited for
    std::optional<io::Loop::WatchId> watch;
    short events = 0;
    bool over = false;
  };
  [[nodiscard]] bool must_compare(bool is_local) const;
  void offered(Session& session, Result<node::ControlPort::Offer> offer);
  Status hand_over(Session& session);
  void finish(Session& session, Result<std::uint64_t> result);
  void process(Session& session);
  void end_of_turn();

  io::Loop& loop_;
  Provisioner& provisioner_;
  const DirectSettings& settings_;
  std::function<void()> after_;
  std::uint64_t last_handle_ = 0;
  std::list<Session> sessions_;
};

}  // namespace akm::nmm
