#pragma once
// One connection to a message bus, without a thread and without an event loop of its own: its owner polls
// fd() for events() until timeout() and then calls process_one().
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/instant.h"
#include "daemon/base/result.h"

struct sd_bus;
struct sd_bus_message;
struct sd_bus_slot;

namespace akm::dbus {

/// "system", "session" or "unix:path=..." / "unix:abstract=..." as an sd-bus address. invalid_argument for
/// every other transport: none but Unix sockets passes file descriptors and credentials, and "unixexec:"
/// would run a program.
Result<std::string> resolve_address(std::string_view text);

class Connection {
 public:
  /// The reply (never an error reply), lent for the call; or why there is none.
  using ReplyHandler = std::move_only_function<void(Result<sd_bus_message*>)>;

  /// Starts to connect; authentication and Hello go on in process_one(). unreachable when there is no socket.
  static Result<std::unique_ptr<Connection>> open(const std::string& address);
  /// The same with an sd-bus address that a policy has passed, of whatever transport (direct_address.h).
  static Result<std::unique_ptr<Connection>> open_resolved(const std::string& resolved);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  /// Completes the calls that still wait with `unreachable`, then closes.
  ~Connection();

  [[nodiscard]] sd_bus* get() const { return bus_; }
  [[nodiscard]] int fd() const;
  /// poll(2) events; they change whenever something was sent or processed.
  [[nodiscard]] short events() const;
  [[nodiscard]] std::optional<Instant> timeout() const;
  /// True when something was done and there may be more; false when there is nothing to do; an error when the
  /// connection is over.
  Result<bool> process_one();

  /// Sends a method call; `handler` is called exactly once, also when the connection ends.
  void call(sd_bus_message* message, Duration timeout, ReplyHandler handler);
  /// The same without arguments or with string arguments only.
  void call_method(const char* destination, const char* path, const char* interface, const char* member,
                   std::initializer_list<const char*> arguments, Duration timeout, ReplyHandler handler);

 private:
  explicit Connection(sd_bus* bus) : bus_(bus) {}
  // Forgets the call, then hands the result over: the handler may destroy what it belongs to.
  struct Pending {
    Connection* owner;
    ReplyHandler handler;
    sd_bus_slot* slot;
  };
  void complete(Pending* pending, Result<sd_bus_message*> result);

  sd_bus* bus_;
  std::list<std::unique_ptr<Pending>> pending_;
};

}  // namespace akm::dbus
