#pragma once
// Where the gate hangs at one interface. Tried in order, best first; what another program holds already (the
// kernel takes one XDP program for an interface) leads to the next.
#include <cstdint>
#include <string>
#include <string_view>

#include "bpf/loader/network_interfaces.h"
#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::bpf {

enum class HookKind : std::uint8_t {
  xdp_native,   // in the driver, before the kernel makes a buffer
  xdp_generic,  // after that
  tcx,          // classifier, Linux 6.6
  tc,           // the same for older kernels: a filter that outlives its maker
};
std::string_view hook_name(HookKind kind);  // "XDP", "generic XDP", "tcx", "tc"

/// What a configuration may ask for.
enum class GateMode : std::uint8_t { automatic, xdp, xdp_generic, tc };

/// Descriptors of the programs; those of links without a link layer are classifiers only.
struct GatePrograms {
  int xdp = -1;
  int classifier = -1;
  int network_classifier = -1;
};

/// A hook that goes with its owner: the kernel takes a link down when its descriptor is closed, so also when
/// the process is killed. Nothing is pinned: a gate whose keeper is dead would drop what a new one has not
/// told it of. A `tc` filter is the exception. The next daemon of the same address replaces it, and until
/// then the programs' own rule holds: unanswered for some seconds, they drop nothing.
class GateHook {
 public:
  /// probe_failed with the reason of each kind that was tried. `owner`: tells the `tc` filters of several
  /// daemons on one interface apart.
  static Result<GateHook> attach(const GatePrograms& programs, const NetworkInterface& interface,
                                 GateMode mode, std::uint32_t owner);
  /// That kind or none.
  static Result<GateHook> attach_as(HookKind kind, const GatePrograms& programs,
                                    const NetworkInterface& interface, std::uint32_t owner);
  ~GateHook();
  GateHook(GateHook&& other) noexcept;
  GateHook& operator=(GateHook&& other) noexcept;

  [[nodiscard]] HookKind kind() const { return kind_; }
  [[nodiscard]] const NetworkInterface& interface() const { return interface_; }
  /// Asks the kernel. False when somebody has taken it down, or the interface is gone.
  [[nodiscard]] bool alive() const;

 private:
  GateHook(HookKind kind, NetworkInterface interface, std::uint32_t owner)
      : kind_(kind), interface_(std::move(interface)), owner_(owner) {}
  Status hang(const GatePrograms& programs);
  Status hang_filter(int program_fd);
  void take_down();

  HookKind kind_;
  NetworkInterface interface_;
  std::uint32_t owner_;
  UniqueFd link_;
  std::uint32_t program_id_ = 0;  // of a tc filter that hangs; 0: none
};

}  // namespace akm::bpf
