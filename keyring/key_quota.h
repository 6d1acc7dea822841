#pragma once
// The kernel's quotas on keys (keyrings(7), /proc/key-users): checked at start, not found out in the middle
// of a rekey.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/result.h"

namespace akm::keyring {

/// One line of /proc/key-users, and the limits that hold for this user.
struct KeyQuota {
  std::uint64_t used_keys = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t max_keys = 0;
  std::uint64_t max_bytes = 0;
};

/// `key_users` is the text of /proc/key-users; a user without a line uses nothing. Limits are the texts of
/// /proc/sys/kernel/keys/{maxkeys,maxbytes}, or of root_maxkeys and root_maxbytes for uid 0. malformed.
Result<KeyQuota> parse_key_quota(std::string_view key_users, std::uint32_t uid, std::string_view max_keys,
                                 std::string_view max_bytes);
/// quota_exceeded whose detail names the sysctl to raise and the least value that is enough.
Status check_key_quota(const KeyQuota& quota, std::uint32_t uid, std::size_t keys_wanted,
                       std::size_t bytes_wanted);
/// Reads and checks the quotas of this process (its effective uid). Also keyring_failed when /proc cannot be
/// read.
Status check_own_key_quota(std::size_t keys_wanted, std::size_t bytes_wanted);

}  // namespace akm::keyring
