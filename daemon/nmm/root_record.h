#pragma once
// What an NMM remembers of its Root. To the Root an NMM is what a node is to an NMM: whose it is, and which
// bundles it has used, it remembers in the same records.
#include <cstdint>
#include <optional>

#include "daemon/node/node_record.h"
#include "daemon/store/sealed_store.h"

namespace akm::nmm {

struct RootRecord {
  /// provisioned, active; quarantined: fenced, another machine has this one's place.
  node::NodeRecord node;
  bool secured = false;    // the Root has this NMM's root secrets: it issued them, or adopted them
  bool restoring = false;  // the records of the NMM that it replaces are not all here
  bool calling = false;    // they are; nodes of them whose relationship is not stored yet are called again
  /// Under this relationship, everything from before it is to be erased. An id and no flag: this is stored
  /// before the node's record says which relationship it is.
  protocol::AsrId forget_for = 0;
  std::uint64_t acked = 0;  // the Root has all changes up to here
};

class RootRecords {
 public:
  explicit RootRecords(store::SealedStore& store) : store_(store), nodes_(store) {}

  /// None while it stands alone; state_corrupt and storage errors otherwise.
  Result<std::optional<RootRecord>> load();
  Status save(const RootRecord& record);
  /// Only how far the two have come.
  Status save_progress(const RootRecord& record);
  node::NodeRecords& nodes() { return nodes_; }

 private:
  store::SealedStore& store_;
  node::NodeRecords nodes_;
};

}  // namespace akm::nmm
