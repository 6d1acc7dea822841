#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>

#include "daemon/base/result.h"

namespace akm::crypto {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// SHA-256 of the concatenation of the parts. Ends the process if OpenSSL has no SHA-256: nothing could work.
Sha256Digest sha256(std::initializer_list<std::span<const std::uint8_t>> parts);

/// The same piece by piece, for lists.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(std::span<const std::uint8_t> part);
  /// Once.
  [[nodiscard]] Sha256Digest finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace akm::crypto
