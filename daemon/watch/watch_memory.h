#pragma once
// What the watches know from the daemon's last run: a sealed record, so that a machine that is off hides
// nothing.
#include <string>
#include <string_view>

#include "daemon/store/sealed_store.h"
#include "daemon/watch/baseline.h"

namespace akm::watch {

inline constexpr std::size_t kMemoryPairs = 64;
inline constexpr std::size_t kMemoryTextBytes = 256;

class WatchMemory {
 public:
  /// `store`: null where there is no state; nothing is remembered then. A record that cannot be read counts
  /// as none: the next save replaces it.
  explicit WatchMemory(store::SealedStore* store);
  /// Empty when it is not known.
  [[nodiscard]] std::string value(std::string_view name) const;
  /// Until save(); what does not fit is left out.
  void set(const std::string& name, const std::string& value);
  /// Writes when something differs from what is stored. storage_failed and the like.
  Status save();

 private:
  store::SealedStore* store_;
  Facts facts_;
  bool changed_ = false;
};

}  // namespace akm::watch
