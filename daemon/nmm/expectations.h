#pragma once
// What the Root's records say of this NMM's nodes and ASRs (section 7, `configure`): nodes that are to come,
// and policies that ASRs are to have. What comes is durable before it is answered.
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/protocol/configure_body.h"
#include "daemon/store/sealed_store.h"

namespace akm::nmm {

class Expectations {
 public:
  /// Fields that change of an ASR's policy; answered at once where it is refused.
  using SetPolicy =
      std::function<void(protocol::AsrId asr_id, const protocol::PolicyText& fields, Done done)>;
  /// Somebody has to hear that a policy of the Root's does not hold here.
  using Refused = std::function<void(protocol::AsrId asr_id, const Error& why)>;

  Expectations(store::SealedStore& store, SetPolicy set_policy, Refused refused)
      : store_(store), set_policy_(std::move(set_policy)), refused_(std::move(refused)) {}

  /// What is stored. state_corrupt: nothing is expected until the Root says it again.
  Status load();
  /// One part, in order. busy when another part is due: the Root begins anew. Errors of the store.
  Status take(const protocol::ConfigureRequest& part);

  /// By name; null when there is none.
  [[nodiscard]] const protocol::ExpectedNode* node(std::string_view name) const;
  [[nodiscard]] const std::vector<protocol::ExpectedNode>& nodes() const { return nodes_; }

 private:
  Status set_policies(const protocol::ConfigureRequest& part);
  Status remove_from(std::uint32_t part);

  store::SealedStore& store_;
  SetPolicy set_policy_;
  Refused refused_;
  std::vector<protocol::ExpectedNode> nodes_;
  std::vector<protocol::ExpectedNode> coming_;  // of the parts that are here
  std::uint32_t next_part_ = 0;
};

}  // namespace akm::nmm
