#include "daemon/watch/watches.h"

#include <algorithm>
#include <utility>

#include "daemon/watch/one_look.h"

namespace akm::watch {
namespace {

constexpr Duration kSettle = std::chrono::milliseconds(200);

}  // namespace

Watches::Watches(io::Loop& loop, Duration interval, std::function<Instant()> now, Tell tell)
    : loop_(loop),
      interval_(interval),
      now_(std::move(now)),
      tell_(std::move(tell)),
      all_due_(now_() + interval_) {}

Watches::~Watches() {
  for (const auto& entry : entries_) {
    if (entry->id) loop_.unwatch(*entry->id);
  }
}

void Watches::add(std::unique_ptr<Watch> watch) {
  entries_.push_back(std::make_unique<Entry>());
  Entry& entry = *entries_.back();
  entry.watch = std::move(watch);
  look(entry, now_());
  if (entry.watch->fd() < 0) return;
  const auto id = loop_.watch(entry.watch->fd(), static_cast<std::uint32_t>(entry.watch->events()),
                              [this, &entry](std::uint32_t) {
                                if (entry.watch->nudged() && !entry.due) entry.due = now_() + kSettle;
                              });
  if (id) entry.id = *id;
}

void Watches::look(Entry& entry, Instant now) {
  if (entry.watch->tells_later()) return entry.watch->look(now, tell_);
  OneLook one(tell_, now);
  entry.watch->look(now, one.tell());
}

std::optional<Instant> Watches::next_deadline() const {
  if (entries_.empty()) return std::nullopt;
  Instant out = all_due_;
  for (const auto& entry : entries_) {
    if (entry->due) out = std::min(out, *entry->due);
  }
  return out;
}

void Watches::deadline_reached() {
  const Instant now = now_();
  const bool all = now >= all_due_;
  if (all) all_due_ = now + interval_;
  for (const auto& entry : entries_) {
    const bool nudged = entry->due && now >= *entry->due;
    if (!all && !nudged) continue;
    entry->due.reset();
    look(*entry, now);
  }
}

}  // namespace akm::watch
