#pragma once
// When something of many is due: one time per key, the earliest first. Ordered, so that thousands cost no
// scan.
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "daemon/base/instant.h"

namespace akm::nmm {

template <typename Key>
class DueTimes {
 public:
  /// In place of an earlier time of this key.
  void set(const Key& key, Instant at) {
    clear(key);
    by_key_.emplace(key, at);
    by_time_.emplace(at, key);
  }
  void clear(const Key& key) {
    const auto old = by_key_.find(key);
    if (old == by_key_.end()) return;
    by_time_.erase({old->second, key});
    by_key_.erase(old);
  }
  [[nodiscard]] bool contains(const Key& key) const { return by_key_.contains(key); }
  [[nodiscard]] std::optional<Instant> earliest() const {
    if (by_time_.empty()) return std::nullopt;
    return by_time_.begin()->first;
  }
  /// Removes and returns at most `most` of those that are due, earliest first.
  std::vector<Key> take(Instant now, std::size_t most) {
    std::vector<Key> out;
    while (out.size() < most && !by_time_.empty() && by_time_.begin()->first <= now) {
      out.push_back(by_time_.begin()->second);
      clear(out.back());
    }
    return out;
  }

 private:
  std::map<Key, Instant> by_key_;
  std::set<std::pair<Instant, Key>> by_time_;
};

}  // namespace akm::nmm
