#pragma once
// What happens by itself as time passes: nodes fall silent, generations get old, provisioning ASRs are
// rekeyed after an install.
#include <map>
#include <optional>
#include <set>

#include "daemon/nmm/core.h"
#include "daemon/nmm/due_times.h"

namespace akm::nmm {

class Upkeep {
 public:
  explicit Upkeep(Core& core) : core_(core) {}

  /// At start: every active node gets the time of its missed heartbeats, every ASR its renewal.
  void resume(Instant now);
  void heard(protocol::NodeId node_id, Instant now);
  /// A generation is about to be installed: its renewal counts from now.
  void renewed(protocol::AsrId asr_id, Instant now);
  /// Its policy may have another renewal interval now.
  void policy_set(protocol::AsrId asr_id, Instant now);
  /// Jittered, since all members of an ASR store their install at the same time.
  void rekey_provisioning(protocol::NodeId node_id, Instant now);
  /// A replacement calls a node that it has from its Root, jittered as well; it is missed like any other.
  void reach(protocol::NodeId node_id, Instant now);
  /// The provisioning ASR of the node has a new key. When that is true of all members since an install, the
  /// ASR's record says so: until then a restart begins with all of them anew.
  void provisioning_rekeyed(protocol::NodeId node_id);

  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached(Instant now);

 private:
  [[nodiscard]] Duration jitter(Duration least, Duration most);
  [[nodiscard]] Duration patience() const;
  void plan_renewal(const AsrRecord& record, Instant now);
  void fall_silent(protocol::NodeId node_id);
  void renew(protocol::AsrId asr_id, Instant now);
  void rotated(const AsrRecord& record, protocol::NodeId node_id);

  Core& core_;
  DueTimes<protocol::NodeId> silence_;
  DueTimes<protocol::NodeId> rekeys_;
  std::set<protocol::NodeId> rekeying_;  // asked for, not committed yet
  struct Rotated {
    std::uint32_t generation = 0;
    std::set<protocol::NodeId> members;
  };
  std::map<protocol::AsrId, Rotated> rotated_;  // of ASRs with rotation_pending
  DueTimes<protocol::AsrId> renewals_;
};

}  // namespace akm::nmm
