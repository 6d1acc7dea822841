#pragma once
// The gate on a daemon's UDP port: programs at the interfaces that carry its listen address drop what cannot
// be a frame of one of its relationships, and keep unknown sources to a rate (docs/detections.md, "Gate").
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bpf/loader/gate_hook.h"
#include "daemon/base/endpoint.h"
#include "daemon/base/instant.h"
#include "daemon/base/result.h"

namespace akm::bpf {

struct GateOptions {
  Endpoint listen;  // bound: with its port
  GateMode mode = GateMode::automatic;
  std::uint32_t ids_max = 16384;     // at most AKM_GATE_MAX_IDS; beyond it no asr_id counts as unknown
  std::uint32_t source_per_s = 200;  // frames of one source that is not vouched for; a second's worth at once
  std::uint32_t total_per_s = 5000;  // of all those sources together
  Duration answer_within = std::chrono::seconds(30);  // without a check for so long nothing is dropped
};

/// What one source tried since the last take_scans().
struct GateScan {
  Endpoint source;          // port 0; of IPv6 the /64
  unsigned ports = 0;       // at least so many different TCP ports of ours, at most 64 are told apart
  unsigned asrs = 0;        // the same, of unknown asr_ids
  std::uint64_t tries = 0;  // all of them
};

class Gate {
 public:
  /// probe_failed with the kernel's reason when the programs do not load. It stands open, and hangs nowhere,
  /// until the first check().
  static Result<std::unique_ptr<Gate>> open(const GateOptions& options);
  virtual ~Gate() = default;

  /// A relationship came or went.
  virtual void know(std::uint64_t asr_id) = 0;
  virtual void forget(std::uint64_t asr_id) = 0;
  /// A multicast group that is received, with its port.
  virtual void add_group(const Endpoint& group) = 0;
  /// The source's frames pass without a rate for so long.
  virtual void vouch(const Endpoint& source, Duration lasting) = 0;

  /// The heartbeat: answers for the gate, hangs it at interfaces that have come, and says, once for each,
  /// which hooks somebody has taken down (they are hung again).
  virtual std::vector<std::string> check() = 0;

  struct Health {
    std::string how;        // "eth0: XDP, eth1: tcx", or "none"
    bool attached = false;  // at every interface that carries the listen address
    std::string detail;     // what is missing and why
  };
  [[nodiscard]] virtual const Health& health() const = 0;
  /// gate_passed_..., gate_dropped_...: each datagram to the port once. gate_known_ids,
  /// gate_interfaces: at so many it hangs.
  [[nodiscard]] virtual std::map<std::string, std::uint64_t> counters() const = 0;
  /// Forgets what it tells. The maps hold 4096 sources of a window; those that tried longest ago make room.
  virtual std::vector<GateScan> take_scans() = 0;
};

}  // namespace akm::bpf
