#pragma once
// The NMM's identity and its provisioning root secrets (section 7). They are read from the sealed store for
// each use and wiped after it: a long-lived copy in memory would serve nobody but a thief.
#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/base/result.h"
#include "daemon/protocol/root_body.h"
#include "daemon/store/sealed_store.h"

namespace akm::nmm {

class RootSecret {
 public:
  RootSecret(store::SealedStore& store, RandomSource& random, std::string_view record = "nmm-root")
      : store_(store), random_(random), record_(record) {}

  /// Reads the identity. Status ok without a record: there is none yet. state_corrupt.
  Status load();
  /// Draws id and secret number 1: of an NMM that stands alone, or of a Root. already_exists.
  Status create();
  /// What the Root issued (by rising number), in place of what is there. errors of the store.
  Status take(protocol::NodeId nmm_id, const std::vector<protocol::NumberedSecret>& secrets);
  /// Keeps those of `used` and the newest.
  Status keep(const std::set<std::uint32_t>& used);
  /// Another machine has this one's place: the id stays, the secrets go.
  Status erase();

  /// 0: there is no identity yet.
  [[nodiscard]] protocol::NodeId nmm_id() const { return nmm_id_; }
  /// Numbers of the secrets that are held; the last one is for new credentials.
  [[nodiscard]] const std::set<std::uint32_t>& numbers() const { return numbers_; }
  [[nodiscard]] std::uint32_t newest() const { return numbers_.empty() ? 0 : *numbers_.rbegin(); }
  /// wrong_state without any, not_found for another number; errors of the store.
  Result<protocol::ProvisioningRoot> read(std::uint32_t number);
  Result<protocol::ProvisioningRoot> read() { return read(newest()); }
  /// To hand them up; errors of the store.
  Result<std::vector<protocol::NumberedSecret>> read_all();

 private:
  struct Content {
    protocol::NodeId nmm_id = 0;
    std::vector<protocol::NumberedSecret> secrets;
  };
  Result<Content> decode(std::span<const std::uint8_t> bytes) const;
  Status write(protocol::NodeId nmm_id, const std::vector<protocol::NumberedSecret>& secrets);

  store::SealedStore& store_;
  RandomSource& random_;
  std::string_view record_;
  protocol::NodeId nmm_id_ = 0;
  std::set<std::uint32_t> numbers_;
};

}  // namespace akm::nmm
