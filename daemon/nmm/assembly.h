#pragma once
// The parts of akm-nmmd on one loop: sealed state, socket, engine and role; or, where the state does not
// open, what says so.
#include <memory>
#include <optional>

#include "daemon/nmm/nmm.h"
#include "daemon/nmm/own_hardware.h"
#include "daemon/nmm/unavailable.h"
#include "daemon/service/aside_worker.h"
#include "daemon/service/gate_keeper.h"
#include "daemon/service/startup.h"
#include "daemon/watch/standard_watches.h"

namespace akm::nmm {

class Assembly {
 public:
  /// Opens the state and the socket. io_failed where the address cannot be had; state that does not open is
  /// no error.
  static Result<std::unique_ptr<Assembly>> make(const service::Settings& settings, NmmSettings own,
                                                io::Loop& loop, RandomSource& random);
  Assembly(const Assembly&) = delete;
  Assembly& operator=(const Assembly&) = delete;

  [[nodiscard]] ControlPort& port();
  /// Null while the state is not open.
  [[nodiscard]] PolicyPort* policy_port() { return role_ ? &role_->policy_port() : nullptr; }
  [[nodiscard]] service::AsideWorker& aside() { return aside_; }
  /// Why the state did not open, if it did not.
  [[nodiscard]] const std::optional<Error>& failure() const { return opened_.failure; }
  [[nodiscard]] const service::Later& later() const { return opened_.later; }
  [[nodiscard]] store::SealedStore* store() const { return opened_.store.get(); }
  [[nodiscard]] AuditPort& audit() { return *audit_; }
  /// Takes up what was under way; `observer` hears of all changes from now on.
  Status start(Observer observer);

 private:
  Assembly(const service::Settings& settings, const NmmSettings& own, io::Loop& loop, RandomSource& random);
  void check_hardware(const keyring::HardwareOptions& options);
  void watch_machine(const service::Settings& settings, const NmmSettings& own);
  void assemble(const service::Settings& settings, NmmSettings own, NmmIdentity identity);
  void on_loop();
  void show_gate(StatusSnapshot& out) const;

  io::Loop& loop_;
  RandomSource& random_;
  service::OpenedState opened_;
  service::EventLog events_;
  service::AsideWorker aside_;
  service::AsideWorker hooks_;
  std::unique_ptr<service::AuditTrail> audit_;
  node::Hardware hardware_;
  io::Loop::SocketId socket_ = 0;
  std::unique_ptr<service::Shell> shell_;
  std::optional<service::GateKeeper> gate_;  // of the shell
  std::unique_ptr<Nmm> role_;
  std::unique_ptr<Unavailable> unavailable_;
  std::optional<OwnHardware> own_hardware_;
  std::optional<Instant> leave_due_;
  std::unique_ptr<watch::StandardWatches> watches_;
};

}  // namespace akm::nmm
