#pragma once
// The interfaces of this network namespace, and which of them carry what a socket listens on.
#include <string>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/result.h"

namespace akm::bpf {

struct NetworkInterface {
  unsigned index = 0;
  std::string name;
  bool up = false;
  bool loopback = false;
  bool ethernet = false;            // its packets begin with an Ethernet header
  std::vector<Endpoint> addresses;  // port 0
};

/// io_failed.
Result<std::vector<NetworkInterface>> network_interfaces();
/// "e1000e", "veth"; empty where the kernel does not say. Waits for the kernel's lock of all network
/// configuration.
std::string driver_of(const std::string& interface);

/// Whether a socket bound to `listen` gets what arrives at `address`. An IPv6 socket on [::] gets IPv4 too.
bool listens_on(const Endpoint& listen, const Endpoint& address);
/// 0.0.0.0 or [::].
bool is_any_address(const Endpoint& listen);
/// Those that carry it. The loopback interface only when it is named: local programs have other ways to
/// keep a daemon busy, and much that has nothing to do with it passes there.
std::vector<NetworkInterface> interfaces_of(const Endpoint& listen,
                                            const std::vector<NetworkInterface>& interfaces);

}  // namespace akm::bpf
