#pragma once
// The loaded BPF object: chooses variants by trying, attaches them, and knows whether they are still there.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bpf/loader/pin_folder.h"
#include "bpf/loader/variants.h"
#include "daemon/base/result.h"

namespace akm::bpf {

struct GroupState {
  std::string tier = "none";  // "absent": this kernel has nothing that could be watched
  bool attached = false;
  std::string reason;  // why not
  std::string better;  // why not a better tier; empty when this is the best
};

struct ProbeChoice {
  std::uint32_t ring_bytes = 0;
  std::uint32_t critical_ring_bytes = 0;
  /// Variants that were tried and did not do, with the reason.
  std::map<std::pair<Group, Tier>, std::string> refused;
};

class ProbeObject {
 public:
  /// The best variant of each group that loads. probe_failed with the kernel's reason when none does.
  /// What it attaches is pinned in `pins`, or in a private folder.
  static Result<std::unique_ptr<ProbeObject>> load(const ProbeChoice& choice,
                                                   std::shared_ptr<const PinFolder> pins = nullptr);
  /// The object that an earlier process left in the folder, attached and at work; null when there is none of
  /// this very build. What else is there is removed.
  static std::unique_ptr<ProbeObject> adopt(std::shared_ptr<const PinFolder> pins);
  virtual ~ProbeObject() = default;

  /// Hangs every chosen program in its place; probe_failed when not one of them could be.
  virtual Status attach() = 0;
  /// -1 when there is no such map.
  [[nodiscard]] virtual int map_fd(const char* name) const = 0;
  [[nodiscard]] virtual const GroupState& state(Group group) const = 0;
  /// The tier that was chosen; none where no variant loaded.
  [[nodiscard]] virtual std::optional<Tier> tier(Group group) const = 0;
  /// The self-test saw nothing of this group: it is no longer said to be attached.
  virtual void not_proven(Group group) = 0;
  [[nodiscard]] virtual std::size_t links() const = 0;
  [[nodiscard]] virtual std::size_t live_links() const = 0;
  /// Asks the kernel for each link and its program. Names those that have gone since the last call.
  virtual std::vector<std::string> take_gone_links() = 0;
  /// Kernel ids of our maps, programs and links (enum akm_object_kind): D6 and D7 guard them.
  [[nodiscard]] virtual std::vector<std::pair<std::uint32_t, std::uint32_t>> object_ids() const = 0;
};

/// The next worse variant of a group, or none.
std::optional<Tier> worse_tier(Group group, Tier tier);

}  // namespace akm::bpf
