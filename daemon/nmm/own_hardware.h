#pragma once
// The NMM is bound to its machine as nodes are: a copy of its state on other hardware does not run, or two
// NMMs would speak with one name.
#include <functional>
#include <optional>
#include <string>

#include "daemon/base/result.h"
#include "daemon/store/sealed_store.h"
#include "keyring/hardware_identity.h"

namespace akm::nmm {

class OwnHardware {
 public:
  using Collect = std::function<Result<keyring::HardwareSources>()>;
  OwnHardware(store::SealedStore& store, Collect collect) : store_(store), collect_(std::move(collect)) {}

  /// Records the value at the first start. hardware_mismatch, naming the sources and the way out, on another
  /// machine; state_corrupt. A machine that cannot be told (no source) is said in `finding`.
  Status check(std::string& finding);
  /// The operator's word: what this machine is now becomes what is recorded.
  Status accept();

 private:
  store::SealedStore& store_;
  Collect collect_;
};

}  // namespace akm::nmm
