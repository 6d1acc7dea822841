#pragma once
// What all commands share: the global options, the connection, how an error is told.
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/base/result.h"
#include "dbus/proxy.h"

namespace akm::ctl {

struct GlobalOptions {
  std::string bus = "system";
  std::string host;  // of another machine, over ssh; then `bus` does not count
  bool json = false;
  bool quiet = false;  // no progress
  double timeout_s = 60;
};

class Session {
 public:
  GlobalOptions options;
  /// What the command line asks for; set by the command that was parsed.
  std::function<Status()> command;
  /// Of a command that has done what it was asked, and found that all is not well (status, doctor).
  int outcome = 0;

  /// The connection, made at the first use. unreachable with what to do about it.
  Result<dbus::Proxy*> connect();
  /// The next connect() makes another one.
  void disconnect() { proxy_.reset(); }
  /// "on the bus 'system'" or "on HOST", for sentences.
  [[nodiscard]] std::string place() const;
  /// The same, after looking whether the service is on the bus.
  Result<dbus::Proxy*> reach(dbus::Service service);
  /// The NMM where there is one on this bus, else the node.
  Result<dbus::Service> either();

  /// One sentence on standard error; returns the exit code.
  static int report(const Error& error);

 private:
  std::optional<dbus::Proxy> proxy_;
};

}  // namespace akm::ctl
