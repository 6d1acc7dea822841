#pragma once
// Wrong one-time codes (section 7): each try of a bundle waits longer for the next, and the fifth is the
// last. What is counted is on the disk before the code is tried, so that no restart and no power cut gives a
// try back.
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/protocol/provisioning.h"
#include "daemon/store/sealed_store.h"

namespace akm::service {

inline constexpr unsigned kBundleTries = 5;
/// Bundles that are remembered. Room is made by the oldest that still has tries, else by the oldest.
inline constexpr std::size_t kTriedBundles = 256;

class BundleTries {
 public:
  explicit BundleTries(store::SealedStore& store) : store_(store) {}

  struct Tried {
    protocol::Digest32 bundle{};  // SHA-256 of the file
    std::uint8_t tries = 0;       // 1 to kBundleTries
    bool operator==(const Tried&) const = default;
  };
  /// Reads what is stored. After a start every bundle with tries waits its full delay anew.
  Status load(Instant now);
  /// Counts a try, durably. busy with the seconds to wait; bundle_void; storage errors.
  Status begin(const protocol::Digest32& bundle, Instant now);
  /// The try that has begun was no wrong code: of one that opened nothing is remembered.
  Status opened(const protocol::Digest32& bundle);
  /// ... or the file is no bundle at all: the try does not count.
  Status give_back(const protocol::Digest32& bundle);
  /// It was a wrong code. Returns what to tell: how many tries remain and when the next one is taken.
  std::string failed(const protocol::Digest32& bundle, Instant now);
  [[nodiscard]] unsigned remaining(const protocol::Digest32& bundle) const;

  [[nodiscard]] static std::vector<std::uint8_t> encode(const std::vector<Tried>& tried);
  /// state_corrupt.
  static Result<std::vector<Tried>> decode(std::span<const std::uint8_t> bytes);

 private:
  Status store(std::vector<Tried> next);

  store::SealedStore& store_;
  std::vector<Tried> tried_;  // oldest first
  std::map<protocol::Digest32, Instant> not_before_;
};

/// 1, 2, 4, 8 s after the first, second, ... wrong code.
constexpr Duration pause_after_tries(unsigned tries) {
  return std::chrono::seconds(tries == 0 ? 0 : 1 << (tries - 1));
}

}  // namespace akm::service
