#pragma once
// The address that a network interface was made with, whatever it has been given since: rtnetlink(7),
// RTM_GETLINK, IFLA_PERM_ADDRESS (Linux 5.6).
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/result.h"

namespace akm::keyring {

/// Nothing for an interface that has none, or is not there. io_failed.
Result<std::optional<std::vector<std::uint8_t>>> permanent_address(const std::string& interface);

/// Of one netlink message; nothing when it is another, is cut short, or has none.
std::optional<std::vector<std::uint8_t>> permanent_address_in(std::span<const std::uint8_t> message);

}  // namespace akm::keyring
