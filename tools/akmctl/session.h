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
  bool json = false;
  double timeout_s = 60;
};

class Session {
 public:
  GlobalOptions options;
  /// What the command line asks for; set by the command that was parsed.
  std::function<Status()> command;

  /// The connection, made at the first use. unreachable with what to do about it.
  Result<dbus::Proxy*> connect();
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
