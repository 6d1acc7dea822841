#pragma once
// The loaded BPF object: chooses variants by trying, attaches them, and knows whether they are still there.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bpf/loader/self_identity.h"
#include "bpf/loader/variants.h"
#include "daemon/base/result.h"

namespace akm::bpf {

struct GroupState {
  std::string tier = "none";
  bool attached = false;
  std::string reason;  // why not
};

class ProbeObject {
 public:
  /// probe_failed with the kernel's reason when no group has a variant that loads.
  static Result<std::unique_ptr<ProbeObject>> load(const SelfIdentity& identity, std::uint32_t ring_bytes);
  virtual ~ProbeObject() = default;

  /// Hangs every chosen program on its tracepoints; probe_failed when not one of them could be.
  virtual Status attach() = 0;
  /// -1 when there is no such map.
  [[nodiscard]] virtual int map_fd(const char* name) const = 0;
  [[nodiscard]] virtual const GroupState& state(Group group) const = 0;
  [[nodiscard]] virtual std::size_t links() const = 0;
  [[nodiscard]] virtual std::size_t live_links() const = 0;
  /// Asks the kernel for each link and its program. Names those that have gone since the last call.
  virtual std::vector<std::string> take_gone_links() = 0;
};

}  // namespace akm::bpf
