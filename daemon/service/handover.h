#pragma once
// The key that a node, or an NMM one level up, makes for credentials which reach it over a connection without
// descriptors (section 7, way (c)). It lives in memory only, for one bundle and some minutes.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/protocol/handover.h"

namespace akm::service {

inline constexpr Duration kHandoverLasts = std::chrono::minutes(10);

class Handover {
 public:
  struct Shown {
    std::vector<std::uint8_t> key;  // X25519, 32 bytes
    std::string fingerprint;        // of key and hardware value, for people
  };
  /// The present key, or a new one; asked for again it lasts anew. `hardware`: 32 bytes.
  /// `nmm_id`: of an NMM that has one already; 0: none.
  Result<Shown> offer(std::span<const std::uint8_t> hardware, RandomSource& random, Instant now,
                      protocol::NodeId nmm_id = 0);
  /// Empty: nothing is offered.
  [[nodiscard]] std::string fingerprint(Instant now) const;
  /// wrong_state when nothing is offered; errors of open_handover.
  Result<protocol::BundleContent> open(std::span<const std::uint8_t> sealed, Instant now) const;
  /// When the key is to be forgotten; none while nothing is offered.
  [[nodiscard]] std::optional<Instant> ends() const { return key_ ? std::optional(until_) : std::nullopt; }
  void forget() { key_.reset(); }

 private:
  [[nodiscard]] bool lives(Instant now) const { return key_ && now < until_; }

  std::optional<crypto::X25519PrivateKey> key_;
  protocol::HardwareValue hardware_{};
  std::string fingerprint_;
  Instant until_{};
};

}  // namespace akm::service
