#pragma once
// Way (c) of section 7: the bus of a node, or of an NMM one level up, at an address that the operator names.
// The credentials travel as a sealed memfd over a Unix socket, and sealed to the other side's key over
// everything else.
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "daemon/base/direct_offer.h"
#include "daemon/io/loop.h"
#include "daemon/service/bundle_maker.h"
#include "daemon/service/direct_settings.h"
#include "dbus/remote_node.h"

namespace akm::service {

inline constexpr std::size_t kDirectSessions = 16;
/// The other side seals what it gets, perhaps with a slow TPM.
inline constexpr Duration kDirectTimeout = std::chrono::seconds(30);
/// So long an operator may compare two fingerprints; half of what the other side's offer lasts.
inline constexpr Duration kConfirmTimeout = std::chrono::minutes(5);

class DirectProvisioning {
 public:
  /// Makes the credentials for who has answered; called once nothing stands against sending them.
  using Make = std::move_only_function<void(const dbus::RemoteOffer&, BundleReply)>;

  /// `loop` and `settings` outlive it. `after` is called whenever a session went on outside of a call: what
  /// it left for the engine is to be sent.
  DirectProvisioning(io::Loop& loop, dbus::RemoteRole role, const DirectSettings& settings,
                     std::function<void()> after);
  ~DirectProvisioning();
  DirectProvisioning(const DirectProvisioning&) = delete;
  DirectProvisioning& operator=(const DirectProvisioning&) = delete;

  /// Connects and asks the other side who it is; nothing secret leaves. busy above kDirectSessions; errors of
  /// the address, the bus and the other side.
  void begin(Make make, const std::string& bus_address, Reply<DirectOffer> reply);
  /// Hands over, when the fingerprint is the one of the offer; else not_authentic, and the session is over.
  /// Answers the id that the credentials are for.
  void confirm(std::uint64_t handle, std::string_view fingerprint, Reply<std::uint64_t> reply);
  /// Both at once; refused_by_policy where an operator has to compare.
  void start(Make make, const std::string& bus_address, Reply<std::uint64_t> reply);

 private:
  struct Session {
    std::uint64_t handle = 0;
    std::unique_ptr<dbus::RemoteNode> node;
    Make make;
    bool is_local = false;
    Reply<DirectOffer> begun;
    Reply<std::uint64_t> done;
    std::optional<dbus::RemoteOffer> offer;
    std::string fingerprint;
    std::optional<Instant> until;  // the operator's word is waited for
    std::optional<io::Loop::WatchId> watch;
    short events = 0;
    bool over = false;
  };
  [[nodiscard]] Session* find(std::uint64_t handle);
  [[nodiscard]] bool must_compare(bool is_local) const;
  void offered(Session& session, Result<dbus::RemoteOffer> offer);
  void made(std::uint64_t handle, Result<protocol::BundleContent> content);
  Status hand_over(Session& session, const protocol::BundleContent& content);
  void finish(Session& session, Result<std::uint64_t> result);
  void process(Session& session);
  void end_of_turn();

  io::Loop& loop_;
  dbus::RemoteRole role_;
  const DirectSettings& settings_;
  std::function<void()> after_;
  std::uint64_t last_handle_ = 0;
  std::list<Session> sessions_;
};

}  // namespace akm::service
