#include "daemon/watch/watches.h"

#include <algorithm>
#include <string>
#include <utility>

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
  told_.clear();
  entry.watch->look(now, [this](const policy::Detection& detection) { hear(detection); });
  tell_of_rest(now);
}

void Watches::hear(const policy::Detection& detection) {
  if (++told_[detection.detection] <= kToldAtOnce) tell_(detection);
}

void Watches::tell_of_rest(Instant now) {
  for (const auto& [detection, count] : told_) {
    if (count <= kToldAtOnce) continue;
    policy::Detection rest;
    rest.detection = detection;
    rest.boottime_ns = now.ns;
    rest.at_most = policy::Grade::observe;
    rest.evidence = {{"what", "more of the same look"}, {"count", std::to_string(count - kToldAtOnce)}};
    tell_(rest);
  }
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
