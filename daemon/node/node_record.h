#pragma once
// What a node remembers of itself beside its relationships: whose it is, its state, and which bundles it has
// used.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/node/control_port.h"
#include "daemon/protocol/machine_evidence.h"
#include "daemon/protocol/zeroize_receipt.h"
#include "daemon/store/sealed_store.h"

namespace akm::node {

/// Single-use ids that are remembered; the oldest go first. Far above what one node is provisioned in its
/// life.
inline constexpr std::size_t kUsedBundles = 256;
inline constexpr std::size_t kPendingReportBytes = 16 * 1024;

/// What the policy remembers (policy_memory.h), in the sealed store.

struct NodeRecord {
  protocol::ProvisioningIdentity identity;   // its policy is the node's own
  protocol::HardwareValue hardware_value{};  // that it was provisioned with
  protocol::SingleUseId use_id{};
  NodeState state = NodeState::provisioned;  // provisioned, active or quarantined
  /// A breach report that the NMM has not answered yet: it goes on after a restart.
  std::vector<std::uint8_t> pending_report;

  protocol::SourceDigests sources;  // of that value; empty: stored by a version that did not keep them
  bool rehome_asked = false;        // this machine's operator says that a part was replaced

  [[nodiscard]] std::vector<std::uint8_t> encode() const;
  /// state_corrupt.
  static Result<NodeRecord> decode(std::span<const std::uint8_t> bytes);
  bool operator==(const NodeRecord&) const = default;
};

inline constexpr std::size_t kLeftoverPathBytes = 4096;
inline constexpr std::size_t kLeftoverReceiptBytes = 1024;

/// A bundle that was used and may still be where it was found.
struct BundleLeftover {
  protocol::Digest32 digest{};  // of the file, by which it is known again
  protocol::SingleUseId use_id{};
  std::string path;  // where it was
  std::string receipt;

  [[nodiscard]] std::vector<std::uint8_t> encode() const;
  /// state_corrupt.
  static Result<BundleLeftover> decode(std::span<const std::uint8_t> bytes);
  bool operator==(const BundleLeftover&) const = default;
};

/// The node's own records in the sealed store.
class NodeRecords {
 public:
  explicit NodeRecords(store::SealedStore& store) : store_(store) {}

  /// None while unprovisioned; state_corrupt and storage errors otherwise.
  Result<std::optional<NodeRecord>> load();
  Status save(const NodeRecord& record);
  Status erase();
  /// What a zeroize receipt is made with; not_found of a node that was provisioned without.
  Result<protocol::ReceiptKey> receipt_key();
  Status save_receipt_key(const protocol::ReceiptKey& key);
  /// Whatever was set aside as damaged: it may hold secrets all the same.
  Status erase_damaged();

  /// Whether a bundle with this id was used before, ever: the list outlives zeroize.
  Result<bool> was_used(const protocol::SingleUseId& id);
  Status add_used(const protocol::SingleUseId& id);
  /// For a use that came to nothing.
  Status remove_used(const protocol::SingleUseId& id);

  /// The last one, if there is one.
  Result<std::optional<BundleLeftover>> leftover();
  Status save_leftover(const BundleLeftover& leftover);
  Status erase_leftover();

 private:
  Result<std::vector<protocol::SingleUseId>> used();
  Status write_used(const std::vector<protocol::SingleUseId>& ids);

  store::SealedStore& store_;
};

}  // namespace akm::node
