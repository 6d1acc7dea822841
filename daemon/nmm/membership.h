#pragma once
// What an operator does with relationships: make, change, renew, delete.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "daemon/nmm/core.h"

namespace akm::nmm {

class Membership {
 public:
  explicit Membership(Core& core) : core_(core) {}

  /// The id is drawn at once; `reply` gets it when all have switched.
  void create(const std::string& label, const std::vector<protocol::NodeId>& nodes,
              const std::map<std::string, std::string>& policy, Reply<std::uint64_t> reply);
  void add(protocol::AsrId asr_id, protocol::NodeId node_id, Done done);
  void remove(protocol::AsrId asr_id, protocol::NodeId node_id, Done done);
  void rekey(protocol::AsrId asr_id, Done done);
  /// By the policy message; with a new generation where all members must change together, or while another
  /// generation is on its way with the former policy.
  void set_policy(protocol::AsrId asr_id, const std::map<std::string, std::string>& fields, Done done);
  void erase(protocol::AsrId asr_id, Done done);

  /// The operator's word that the roster is right, of a relationship that a backup brought: new keys for it.
  /// wrong_state for any other.
  void confirm(protocol::AsrId asr_id, Done done);
  /// Retires the ASR on all members (and those that leave already), in the background. Errors of the store.
  Status retire_all(protocol::AsrId asr_id);

 private:
  Status shrink(AsrRecord next);
  void start(AsrRecord next, Reason reason, bool immediate, Done done);
  Result<const AsrRecord*> living(protocol::AsrId asr_id) const;
  Result<const NodeRecord*> usable(protocol::NodeId node_id) const;
  Result<AsrRecord> make(const std::string& label, const std::vector<protocol::NodeId>& nodes,
                         const std::map<std::string, std::string>& policy);

  Core& core_;
};

}  // namespace akm::nmm
