#pragma once
// The daemon's place on a message bus: connects, owns its name, registers objects, and comes back when the
// bus was restarted. It waits for nothing: the role wires it into its loop, once at start,
//
//   bus.on_fd_change([&](int fd) { unwatch the old one; if (fd >= 0) watch fd for bus.events(), calling
//   process(); }); loop.add_deadline([&] { return bus.timeout(); }, [&] { bus.process(); });
//   loop.at_end_of_turn([&] { bus.flush(); change_watch to bus.events() when they changed; });
//   bus.start();
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/base/result.h"
#include "dbus/connection.h"

namespace akm::dbus {

class Bus {
 public:
  struct Options {
    std::string address = "system";  // also "" (system), "session", "unix:path=...", "unix:abstract=..."
    std::string name;                // "org.akm.Node1"
  };
  explicit Bus(Options options) : options_(std::move(options)) {}
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;
  ~Bus();

  /// Called on every new connection, before the name is asked for: registers the objects on it.
  void add_export(std::function<Status(sd_bus*)> exporter) { exports_.push_back(std::move(exporter)); }
  /// Called by flush(): what was gathered during the turn is sent.
  void add_flush(std::function<void()> hook) { flushes_.push_back(std::move(hook)); }
  /// Called with the new fd after connecting, and with -1 before a lost connection's fd is closed.
  void on_fd_change(std::function<void(int fd)> handler) { fd_changed_ = std::move(handler); }

  /// First attempt. invalid_argument for an address that cannot be one; a bus that is not there is no error:
  /// it is tried again, with growing pauses.
  Status start();
  /// -1 while there is no connection.
  [[nodiscard]] int fd() const { return connection_ ? connection_->fd() : -1; }
  /// poll(2) events to wait for.
  [[nodiscard]] short events() const { return connection_ ? connection_->events() : short{0}; }
  /// When process() is to be called at the latest; none: only when the fd is ready.
  [[nodiscard]] std::optional<Instant> timeout() const;
  /// Handles what is there, at most kMessagesPerTurn messages. Never blocks.
  void process();
  /// At the end of each turn of the loop: sends gathered change signals.
  void flush();

  /// True once the name is owned: callers can reach us.
  [[nodiscard]] bool ready() const { return ready_; }
  /// Null while there is no connection.
  [[nodiscard]] Connection* connection() const { return connection_.get(); }
  [[nodiscard]] sd_bus* handle() const { return connection_ ? connection_->get() : nullptr; }
  /// Changes with every message handled: snapshots taken for one message are not used for the next.
  [[nodiscard]] std::uint64_t message_number() const { return message_number_; }
  [[nodiscard]] std::uint64_t reconnects() const { return reconnects_; }

 private:
  void connect();
  void request_name();
  void disconnect(const Error& why);

  Options options_;
  std::string address_;
  std::vector<std::function<Status(sd_bus*)>> exports_;
  std::vector<std::function<void()>> flushes_;
  std::function<void(int)> fd_changed_;
  std::unique_ptr<Connection> connection_;
  std::optional<Error> broken_;  // set within a callback; acted on after it
  Instant retry_at_;
  Duration pause_{0};
  bool started_ = false;
  bool ready_ = false;
  bool more_ = false;
  bool said_lost_ = false;
  std::uint64_t message_number_ = 0;
  std::uint64_t reconnects_ = 0;
};

}  // namespace akm::dbus
