#pragma once
// After a breach of the NMM's own machine: whoever read its memory has the session keys of its relationships
// with the nodes, and everything that was sent under them. New session keys come first, so that what is sent
// after it is nobody else's; then every ASR gets a new generation. Nobody is put out, and nothing is erased:
// the NMM is what the nodes are reached by. The generations come in small lots, one a turn of the loop: many
// of them must not keep it from everybody else. A node that is away is waited for: what is sent to it under
// the session key that it had would be the thief's too.
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "daemon/nmm/core.h"
#include "daemon/nmm/recovery.h"

namespace akm::nmm {

class KeyReplacement {
 public:
  /// `root_asr`: the relationship with the Root; 0: there is none.
  KeyReplacement(Core& core, Recovery& recovery, std::function<protocol::AsrId()> root_asr);

  /// One that a restart has cut short begins anew.
  void resume();
  /// Soon after the one before it waits, and several that wait are one.
  void begin(const Breach& breach);
  /// The generations alone.
  void renew(const Breach& breach) { renew(breach, false); }
  /// The relationship with this node has a new session key.
  void rekeyed(protocol::NodeId node_id);
  /// The session key of this node may be the thief's: asks for another, and nothing secret goes there before
  /// it.
  [[nodiscard]] bool holds_back(protocol::NodeId node_id);
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached(Instant now);

 private:
  /// New generations of all ASRs, as far as they have come.
  struct Renewal {
    Breach breach;
    bool after_keys = false;  // the end of a replacement
    std::deque<protocol::AsrId> left;
    Instant since = {};
    bool begun = false;
    bool failed = false;
    std::size_t relationships = 0;
    std::string reason = "there is no relationship";
  };
  void renew(const Breach& breach, bool after_keys);
  void renew_some();
  void end(const Renewal& renewal);
  void start(const Breach& breach, Instant now);
  void ask_more();
  void finish();
  [[nodiscard]] Status remember(const Breach& breach);

  Core& core_;
  Recovery& recovery_;
  std::function<protocol::AsrId()> root_asr_;
  Breach breach_;                         // of the replacement under way
  std::optional<Instant> patience_ends_;  // under way: the generations come then at the latest
  std::deque<protocol::NodeId> waiting_;  // to be asked for new session keys
  std::set<protocol::NodeId> asked_;
  std::set<protocol::NodeId> exposed_;  // their session keys are those that were there at the breach
  std::size_t nodes_ = 0;
  std::size_t rekeyed_ = 0;
  std::optional<Instant> started_;
  std::optional<Breach> next_;
  std::deque<Renewal> renewals_;  // under way and waiting
};

}  // namespace akm::nmm
