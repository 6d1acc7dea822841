#pragma once
// Which bus an NMM may be asked to open for a direct provisioning. It is policy: "unixexec:" runs a program
// with the daemon's rights.
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"

namespace akm::dbus {

struct DirectPolicy {
  /// Programs that may be run, absolute paths: ssh, or what takes its arguments. None by default.
  std::vector<std::string> exec;
  /// Hosts that may be reached by them; none: any.
  std::vector<std::string> hosts;
  /// TCP neither authenticates nor hides: only where the network does both.
  bool tcp = false;
};

struct DirectAddress {
  std::string text;       // for sd-bus
  bool is_local = false;  // a Unix socket: passes descriptors, and the kernel says who is there
};

/// - "system", "session", "unix:path=/...", "unix:abstract=...";
/// - "ssh:[USER@]HOST[:PORT]", which is the next one with the first program of the policy;
/// -
/// "unixexec:path=PROGRAM,argv1=-xT[,argv2=-p,argv3=PORT],argvN=--,argvN=[USER@]HOST,argvN=systemd-stdio-bridge
///   [,argvN=--bus-path=unix:path=/...]", nothing else;
/// - "tcp:host=ADDRESS,port=PORT", numeric.
/// invalid_argument for another form, refused_by_policy for what the policy does not allow.
Result<DirectAddress> resolve_direct_address(std::string_view text, const DirectPolicy& policy);

/// Whether the form is one that only uid 0 may ask for: everything but Unix sockets.
bool needs_root(std::string_view text);

}  // namespace akm::dbus
