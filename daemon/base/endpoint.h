#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/result.h"

namespace akm {

/// A UDP endpoint. IPv4 addresses are held in their IPv4-mapped IPv6 form (RFC 4291, 2.5.5.2).
struct Endpoint {
  std::array<std::uint8_t, 16> address{};
  std::uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;
  [[nodiscard]] bool is_ipv4() const;
  /// 224.0.0.0/4 (RFC 5771) or ff00::/8 (RFC 4291, 2.7).
  [[nodiscard]] bool is_multicast() const;
};

/// "192.0.2.1:7400" or "[2001:db8::1]:7400". Host names are not resolved: a key daemon does not depend on
/// DNS.
Result<Endpoint> parse_endpoint(std::string_view text);
std::string format_endpoint(const Endpoint& endpoint);

}  // namespace akm
