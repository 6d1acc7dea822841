#include "daemon/base/endpoint.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace akm {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

bool Endpoint::is_ipv4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.begin());
}

bool Endpoint::is_multicast() const {
  return is_ipv4() ? (address[12] & 0xf0) == 0xe0 : address[0] == 0xff;
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto bad = [&] {
    return fail(Errc::invalid_argument,
                "endpoint '" + std::string(text.substr(0, 64)) + "': write ADDRESS:PORT or [ADDRESS]:PORT");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return bad();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  Endpoint endpoint;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (error != std::errc{} || end != port.data() + port.size()) return bad();
  if (host.front() == '[') {
    if (host.back() != ']') return bad();
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, std::string(host).c_str(), endpoint.address.data()) != 1) return bad();
    return endpoint;
  }
  std::ranges::copy(kMappedPrefix, endpoint.address.begin());
  if (inet_pton(AF_INET, std::string(host).c_str(), endpoint.address.data() + kMappedPrefix.size()) != 1)
    return bad();
  return endpoint;
}

std::string format_endpoint(const Endpoint& endpoint) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (endpoint.is_ipv4()) {
    (void)inet_ntop(AF_INET, endpoint.address.data() + kMappedPrefix.size(), text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(endpoint.port);
  }
  (void)inet_ntop(AF_INET6, endpoint.address.data(), text.data(), text.size());
  return "[" + std::string(text.data()) + "]:" + std::to_string(endpoint.port);
}

}  // namespace akm
