#pragma once
// Callers who wait until all members of something have answered, each with a deadline of its own.
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/base/earliest.h"
#include "daemon/base/instant.h"
#include "daemon/protocol/asr.h"

namespace akm::nmm {

class Waiters {
 public:
  void add(protocol::AsrId asr_id, Instant deadline, Done done) {
    waiting_.emplace(asr_id, Waiter{deadline, std::move(done)});
  }
  /// Takes out all who wait for this one: to be answered when the caller's own state is in order.
  std::vector<Done> take(protocol::AsrId asr_id) {
    const auto [first, last] = waiting_.equal_range(asr_id);
    std::vector<Done> out;
    for (auto at = first; at != last; ++at) out.push_back(std::move(at->second.done));
    waiting_.erase(first, last);
    return out;
  }
  /// Takes out whose time is over.
  std::vector<std::pair<protocol::AsrId, Done>> take_late(Instant now) {
    std::vector<std::pair<protocol::AsrId, Done>> out;
    for (auto at = waiting_.begin(); at != waiting_.end();) {
      if (at->second.deadline > now) {
        ++at;
        continue;
      }
      out.emplace_back(at->first, std::move(at->second.done));
      at = waiting_.erase(at);
    }
    return out;
  }
  [[nodiscard]] std::optional<Instant> next_deadline() const {
    Earliest next;
    for (const auto& [asr_id, waiter] : waiting_) next.consider(waiter.deadline);
    return next.at();
  }

 private:
  struct Waiter {
    Instant deadline;
    Done done;
  };
  std::multimap<protocol::AsrId, Waiter> waiting_;
};

}  // namespace akm::nmm
