#pragma once
// Watched descriptors. An id carries a generation, so that an event that was queued before its watch ended
// finds nothing.
#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/io/loop.h"

namespace akm::io {

struct Watch {
  int fd = -1;
  std::uint32_t events = 0;
  std::uint32_t generation = 0;  // grows with each use of the slot and with each change of the events
  bool used = false;
  std::shared_ptr<PollHandler> handler;  // shared: a handler may end its own watch while it runs
};

class WatchTable {
 public:
  static constexpr std::size_t kWatches = 1024;

  /// limit_exceeded; already_exists for a descriptor that is watched (epoll knows each once).
  Result<Loop::WatchId> add(int fd, std::uint32_t events, PollHandler handler);
  /// Null for an id whose watch has ended.
  Watch* find(Loop::WatchId id);
  void remove(Loop::WatchId id);
  /// The slot of a valid id: what the backends put beside the generation into their events.
  static std::uint32_t slot_of(Loop::WatchId id) { return id & (kWatches - 1); }
  /// Null when the slot's generation is another by now.
  Watch* find_slot(std::uint32_t slot, std::uint32_t generation);

 private:
  struct Slot {
    Watch watch;
    std::uint32_t uses = 0;
  };
  std::vector<Slot> slots_;
};

}  // namespace akm::io
