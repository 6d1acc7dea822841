#pragma once
// All watches on one loop and one slow timer: no wake-ups of their own beyond it and what happens.
#include <memory>
#include <optional>
#include <vector>

#include "daemon/io/loop.h"
#include "daemon/watch/watch.h"

namespace akm::watch {

class Watches {
 public:
  /// `tell` hears on the loop thread. The loop outlives this.
  Watches(io::Loop& loop, Duration interval, std::function<Instant()> now, Tell tell);
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;
  ~Watches();

  /// Takes its baseline now. A descriptor that the loop does not take leaves it to the timer.
  void add(std::unique_ptr<Watch> watch);
  /// Looks that are due: all on the timer, one some time after its nudge, so that a storm of events is one
  /// look.
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached();
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::unique_ptr<Watch> watch;
    std::optional<io::Loop::WatchId> id;
    std::optional<Instant> due;
  };
  void look(Entry& entry, Instant now);

  io::Loop& loop_;
  Duration interval_;
  std::function<Instant()> now_;
  Tell tell_;
  std::vector<std::unique_ptr<Entry>> entries_;
  Instant all_due_;
};

}  // namespace akm::watch
