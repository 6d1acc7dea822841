#pragma once
// What a node is told until it answers, and nobody waits for: retire an ASR, quarantine. Pure: time is an
// argument.
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/protocol/asr.h"

namespace akm::nmm {

struct Errand {
  protocol::NodeId node_id = 0;
  protocol::AsrId asr_id = 0;  // retire this one; 0: quarantine
  auto operator<=>(const Errand&) const = default;
};

inline constexpr std::size_t kErrands = 65536;
inline constexpr Duration kErrandRetryFirst = std::chrono::seconds(1);
inline constexpr Duration kErrandRetryMost = std::chrono::minutes(5);

/// How often it was told so far, and since when.
struct Told {
  std::uint32_t times = 0;
  Instant since;
};

class Errands {
 public:
  /// To be sent at once; nothing changes when it is there already. False at the limit: the node's next
  /// heartbeat shows what it still has.
  bool add(const Errand& errand, Instant now);
  /// It is not wanted any more. While its request is under way, under_way() stays true.
  void cancel(const Errand& errand);
  void answered(const Errand& errand);
  /// No answer, or one that is no success: again later, at most kErrandRetryMost apart.
  void failed(const Errand& errand, Instant now);
  /// The node was heard: what waits for another try need not wait.
  void heard(protocol::NodeId node_id, Instant now);

  /// A repeated request may still reach the node: a new install of the same ASR has to wait, or it would be
  /// erased.
  [[nodiscard]] bool under_way(const Errand& errand) const;
  [[nodiscard]] bool contains(const Errand& errand) const;
  /// None when there is no such errand, or it is not wanted any more.
  [[nodiscard]] std::optional<Told> told(const Errand& errand) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  /// What is due now; each is under way until answered() or failed().
  std::vector<Errand> take(Instant now);

 private:
  struct Entry {
    std::optional<Instant> due;  // none: under way
    std::uint32_t failures = 0;
    Told told = {};
    bool cancelled = false;
  };
  using Entries = std::map<Errand, Entry>;
  void set_due(Entries::iterator at, std::optional<Instant> due);
  void erase(Entries::iterator at);

  Entries entries_;
  std::set<std::pair<Instant, Errand>> due_;
};

}  // namespace akm::nmm
