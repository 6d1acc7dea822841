#pragma once
// The secrets of a generation on their way to its members: drawn for one generation, kept sealed until the
// last member has answered (or they are of no more use), then erased. An NMM holds no operational secrets
// between two changes.
#include <cstdint>
#include <string>

#include "daemon/base/random.h"
#include "daemon/base/result.h"
#include "daemon/protocol/provisioning.h"
#include "daemon/store/sealed_store.h"

namespace akm::nmm {

class Credentials {
 public:
  Credentials(store::SealedStore& store, RandomSource& random) : store_(store), random_(random) {}

  /// Three fresh chains at epoch 0, and the record that the caller stores for this generation, in place of
  /// that of an older one, before anything else of it.
  struct Drawn {
    std::string name;
    SecretBuffer record;
    protocol::Chains chains;
  };
  Result<Drawn> draw(protocol::AsrId asr_id, std::uint32_t generation);
  /// After a restart. not_found: erased, or those of another generation.
  Result<protocol::Chains> read(protocol::AsrId asr_id, std::uint32_t generation);
  Status erase(protocol::AsrId asr_id);
  /// At start: erases what belongs to no relationship any more (`keep` says which does).
  template <typename Keep>
  Status sweep(Keep keep) {
    AKM_ASSIGN(const auto names, stored());
    for (const protocol::AsrId asr_id : names) {
      if (!keep(asr_id)) AKM_TRY(erase(asr_id));
    }
    return {};
  }

 private:
  Result<std::vector<protocol::AsrId>> stored();

  store::SealedStore& store_;
  RandomSource& random_;
};

}  // namespace akm::nmm
