#include "keyring/key_quota.h"

#include <unistd.h>

#include <charconv>

#include <fcntl.h>
#include "daemon/base/unique_fd.h"

namespace akm::keyring {
namespace {

constexpr std::size_t kProcFileMaxBytes = std::size_t{1} << 20;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Result<std::uint64_t> parse_number(std::string_view text, const char* what) {
  text = trimmed(text);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
    return fail(Errc::malformed, std::string("not a number: ") + what);
  }
  return value;
}

// "used/max" as in the last two columns of /proc/key-users; the used part.
Result<std::uint64_t> parse_used(std::string_view column, const char* what) {
  const std::size_t slash = column.find('/');
  if (slash == std::string_view::npos) return fail(Errc::malformed, std::string("no '/' in ") + what);
  return parse_number(column.substr(0, slash), what);
}

// Takes the first word from the text.
std::string_view take_word(std::string_view& text) {
  text = trimmed(text);
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

// Files of /proc have no size; they end where a read gives nothing.
Result<std::string> read_proc(const char* path) {
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(Errc::keyring_failed, std::string("open ") + path);
  std::string text;
  char buffer[4096];
  while (text.size() < kProcFileMaxBytes) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(Errc::keyring_failed, std::string("read ") + path);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return fail(Errc::keyring_failed, std::string(path) + " is longer than expected");
}

std::string sysctl_advice(std::uint32_t uid, const char* what, std::uint64_t used, std::uint64_t wanted,
                          std::uint64_t limit) {
  const std::string name = std::string("kernel.keys.") + (uid == 0 ? "root_max" : "max") + what;
  return "user " + std::to_string(uid) + " has " + std::to_string(used) + " " + what + " and needs " +
         std::to_string(wanted) + " more, the limit is " + std::to_string(limit) + ": sysctl -w " + name +
         "=" + std::to_string(used + wanted);
}

}  // namespace

Result<KeyQuota> parse_key_quota(std::string_view key_users, std::uint32_t uid, std::string_view max_keys,
                                 std::string_view max_bytes) {
  KeyQuota quota;
  AKM_ASSIGN(quota.max_keys, parse_number(max_keys, "maxkeys"));
  AKM_ASSIGN(quota.max_bytes, parse_number(max_bytes, "maxbytes"));
  // "    0:     9 8/8 3/1000000 40/25000000": uid, usage, keys/instantiated, keys in quota, bytes in quota.
  while (!key_users.empty()) {
    const std::size_t end = std::min(key_users.find('\n'), key_users.size());
    std::string_view line = key_users.substr(0, end);
    key_users.remove_prefix(std::min(end + 1, key_users.size()));
    if (trimmed(line).empty()) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return fail(Errc::malformed, "no ':' in a line of key-users");
    AKM_ASSIGN(const std::uint64_t line_uid, parse_number(line.substr(0, colon), "uid in key-users"));
    if (line_uid != uid) continue;
    line.remove_prefix(colon + 1);
    (void)take_word(line);
    (void)take_word(line);
    AKM_ASSIGN(quota.used_keys, parse_used(take_word(line), "key-users, keys"));
    AKM_ASSIGN(quota.used_bytes, parse_used(take_word(line), "key-users, bytes"));
    return quota;
  }
  return quota;
}

Status check_key_quota(const KeyQuota& quota, std::uint32_t uid, std::size_t keys_wanted,
                       std::size_t bytes_wanted) {
  // Subtractions, so that a hostile or odd number in /proc cannot wrap the sum.
  const std::uint64_t free_keys = quota.max_keys > quota.used_keys ? quota.max_keys - quota.used_keys : 0;
  const std::uint64_t free_bytes =
      quota.max_bytes > quota.used_bytes ? quota.max_bytes - quota.used_bytes : 0;
  if (keys_wanted > free_keys) {
    return fail(Errc::quota_exceeded,
                sysctl_advice(uid, "keys", quota.used_keys, keys_wanted, quota.max_keys));
  }
  if (bytes_wanted > free_bytes) {
    return fail(Errc::quota_exceeded,
                sysctl_advice(uid, "bytes", quota.used_bytes, bytes_wanted, quota.max_bytes));
  }
  return {};
}

Status check_own_key_quota(std::size_t keys_wanted, std::size_t bytes_wanted) {
  const std::uint32_t uid = ::geteuid();
  const bool root = uid == 0;
  AKM_ASSIGN(const std::string users, read_proc("/proc/key-users"));
  AKM_ASSIGN(const std::string keys,
             read_proc(root ? "/proc/sys/kernel/keys/root_maxkeys" : "/proc/sys/kernel/keys/maxkeys"));
  AKM_ASSIGN(const std::string bytes,
             read_proc(root ? "/proc/sys/kernel/keys/root_maxbytes" : "/proc/sys/kernel/keys/maxbytes"));
  AKM_ASSIGN(const KeyQuota quota, parse_key_quota(users, uid, keys, bytes));
  return check_key_quota(quota, uid, keys_wanted, bytes_wanted);
}

}  // namespace akm::keyring
