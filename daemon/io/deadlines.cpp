#include "daemon/io/deadlines.h"

#include <algorithm>
#include <utility>

namespace akm::io {

void Deadlines::add(Source source, std::function<void()> expired) {
  owners_.push_back({std::move(source), std::move(expired)});
}

std::optional<Instant> Deadlines::earliest() const {
  std::optional<Instant> out;
  for (const Owner& owner : owners_) {
    const auto at = owner.source();
    if (at && (!out || *at < *out)) out = at;
  }
  return out;
}

void Deadlines::run_expired(Instant now) {
  std::vector<std::pair<Instant, std::size_t>> due;
  for (std::size_t i = 0; i < owners_.size(); ++i) {
    if (const auto at = owners_[i].source(); at && *at <= now) due.emplace_back(*at, i);
  }
  std::ranges::sort(due);
  for (const auto& [at, index] : due) {
    // An earlier owner's work may have moved this deadline. The copy: its work may add owners.
    const auto present = owners_[index].source();
    if (!present || *present > now) continue;
    const auto expired = owners_[index].expired;
    expired();
  }
}

}  // namespace akm::io
