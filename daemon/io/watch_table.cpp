#include "daemon/io/watch_table.h"

#include <algorithm>
#include <utility>

namespace akm::io {

Result<Loop::WatchId> WatchTable::add(int fd, std::uint32_t events, PollHandler handler) {
  if (std::ranges::any_of(slots_, [fd](const Slot& s) { return s.watch.used && s.watch.fd == fd; })) {
    return fail(Errc::already_exists, "descriptor " + std::to_string(fd) + " is watched");
  }
  auto free = std::ranges::find_if(slots_, [](const Slot& s) { return !s.watch.used; });
  if (free == slots_.end()) {
    if (slots_.size() == kWatches) return fail(Errc::limit_exceeded, "watched descriptors");
    free = slots_.emplace(slots_.end());
  }
  Watch& watch = free->watch;
  watch = {fd, events, watch.generation + 1, true, std::make_shared<PollHandler>(std::move(handler))};
  ++free->uses;
  return static_cast<Loop::WatchId>(free->uses * kWatches + static_cast<std::size_t>(free - slots_.begin()));
}

Watch* WatchTable::find(Loop::WatchId id) {
  const std::uint32_t slot = slot_of(id);
  if (slot >= slots_.size()) return nullptr;
  Slot& found = slots_[slot];
  const auto present = static_cast<Loop::WatchId>(found.uses * kWatches + slot);
  return found.watch.used && present == id ? &found.watch : nullptr;
}

void WatchTable::remove(Loop::WatchId id) {
  Watch* watch = find(id);
  if (watch == nullptr) return;
  watch->used = false;
  watch->handler.reset();
  ++watch->generation;
}

Watch* WatchTable::find_slot(std::uint32_t slot, std::uint32_t generation) {
  if (slot >= slots_.size()) return nullptr;
  Watch& watch = slots_[slot].watch;
  return watch.used && watch.generation == generation ? &watch : nullptr;
}

}  // namespace akm::io
