#pragma once
// The NMM's identity and its provisioning root secret (section 7). It is read from the sealed store for each
// use and wiped after it: a long-lived copy in memory would serve nobody but a thief.
#include "daemon/base/random.h"
#include "daemon/base/result.h"
#include "daemon/protocol/provisioning.h"
#include "daemon/store/sealed_store.h"

namespace akm::nmm {

class RootSecret {
 public:
  RootSecret(store::SealedStore& store, RandomSource& random) : store_(store), random_(random) {}

  /// Reads the identity. Status ok without a record: there is none yet. state_corrupt.
  Status load();
  /// Standalone, until there is a Root: draws id and secret. already_exists.
  Status create();
  /// 0: there is no root secret yet.
  [[nodiscard]] protocol::NodeId nmm_id() const { return nmm_id_; }
  /// wrong_state without one; errors of the store.
  Result<protocol::ProvisioningRoot> read();

 private:
  store::SealedStore& store_;
  RandomSource& random_;
  protocol::NodeId nmm_id_ = 0;
};

}  // namespace akm::nmm
