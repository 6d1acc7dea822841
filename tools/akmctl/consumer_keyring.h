#pragma once
// The keyring "akm" inside a keyring of the user's, where akmd puts exported keys (docs/keys.md): what
// possesses the outer one possesses them.
#include <cstdint>
#include <string>

#include "daemon/base/result.h"

namespace akm::ctl {

/// "@s", "@u", "@us" or a serial. invalid_argument.
Result<std::int32_t> parse_keyring(const std::string& text);

class ConsumerKeyring {
 public:
  /// Finds or makes it in `outer`, and lets others see it and write to it until close(). not_found,
  /// not_authorized, quota_exceeded, keyring_failed.
  static Result<ConsumerKeyring> open(std::int32_t outer);
  ConsumerKeyring(ConsumerKeyring&& other) noexcept;
  ConsumerKeyring& operator=(ConsumerKeyring&&) = delete;
  ~ConsumerKeyring();

  [[nodiscard]] std::int32_t serial() const { return serial_; }
  /// No longer open to others. not_authentic when it does not lead to `key`: somebody has put another key of
  /// this description there in the meantime.
  Status close(std::int32_t key);

 private:
  explicit ConsumerKeyring(std::int32_t serial) : serial_(serial) {}
  std::int32_t serial_;  // 0: closed
};

}  // namespace akm::ctl
