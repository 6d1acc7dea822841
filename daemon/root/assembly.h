#pragma once
// The parts of akm-rootd on one loop: sealed state, database, socket, engine and role; or, where the state
// does not open, what says so.
#include <memory>
#include <optional>

#include "daemon/root/configuration.h"
#include "daemon/root/database_thread.h"
#include "daemon/root/root.h"
#include "daemon/root/unavailable.h"
#include "daemon/service/aside_worker.h"
#include "daemon/service/startup.h"

namespace akm::root {

class Assembly {
 public:
  /// Opens the state and the socket. io_failed where the address cannot be had; state that does not open is
  /// no error, nor is a database that does not.
  static Result<std::unique_ptr<Assembly>> make(const service::Settings& settings, RootSettings own,
                                                io::Loop& loop, RandomSource& random);
  Assembly(const Assembly&) = delete;
  Assembly& operator=(const Assembly&) = delete;

  [[nodiscard]] ControlPort& port();
  [[nodiscard]] service::AsideWorker& aside() { return aside_; }
  /// Why the state did not open, if it did not.
  [[nodiscard]] const std::optional<Error>& failure() const { return opened_.failure; }
  [[nodiscard]] const service::Later& later() const { return opened_.later; }
  [[nodiscard]] store::SealedStore* store() const { return opened_.store.get(); }
  /// Takes up what was under way; `observer` hears of all changes from now on.
  Status start(Observer observer);

 private:
  Assembly(const service::Settings& settings, io::Loop& loop, RandomSource& random);
  Status assemble(RootSettings own, RootIdentity identity);

  io::Loop& loop_;
  RandomSource& random_;
  service::OpenedState opened_;
  service::EventLog events_;
  service::AsideWorker aside_;
  io::Loop::SocketId socket_ = 0;
  std::unique_ptr<service::Shell> shell_;
  std::unique_ptr<DatabaseThread> database_;
  std::unique_ptr<Configuration> configuration_;
  std::unique_ptr<Root> role_;
  std::unique_ptr<Unavailable> unavailable_;
};

}  // namespace akm::root
