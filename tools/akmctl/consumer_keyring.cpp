#include "tools/akmctl/consumer_keyring.h"

#include <keyutils.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>
#include <utility>

namespace akm::ctl {
namespace {

constexpr const char* kName = "akm";
constexpr key_perm_t kClosed = KEY_POS_ALL | KEY_USR_VIEW | KEY_USR_READ;
constexpr key_perm_t kOpen = kClosed | KEY_USR_WRITE | KEY_OTH_VIEW | KEY_OTH_WRITE;

std::unexpected<Error> failed(const std::string& what) {
  if (errno == EDQUOT) return fail(Errc::quota_exceeded, what);
  if (errno == EACCES) return fail(Errc::not_authorized, what);
  if (errno == ENOKEY || errno == EKEYREVOKED || errno == EKEYEXPIRED) return fail(Errc::not_found, what);
  return fail_errno(Errc::keyring_failed, what, errno);
}

/// "type;uid;gid;perm;description", cut off where it is very long.
std::string describe(key_serial_t key) {
  std::array<char, 1024> buffer{};
  return keyctl_describe(key, buffer.data(), buffer.size()) < 0 ? std::string() : std::string(buffer.data());
}

/// The keyring of this name of ours that `outer` itself holds.
key_serial_t find_in(key_serial_t outer) {
  std::array<key_serial_t, 1024> keys{};
  const long size = keyctl_read(outer, reinterpret_cast<char*>(keys.data()), sizeof keys);
  const std::string start = "keyring;" + std::to_string(::getuid()) + ";";
  for (std::size_t i = 0; size > 0 && i < static_cast<std::size_t>(size) / sizeof keys[0] && i < keys.size();
       ++i) {
    const std::string text = describe(keys[i]);
    if (text.starts_with(start) && text.ends_with(std::string(";") + kName)) return keys[i];
  }
  return 0;
}

}  // namespace

Result<std::int32_t> parse_keyring(const std::string& text) {
  if (text == "@s") return KEY_SPEC_SESSION_KEYRING;
  if (text == "@u") return KEY_SPEC_USER_KEYRING;
  if (text == "@us") return KEY_SPEC_USER_SESSION_KEYRING;
  std::int32_t serial = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), serial);
  if (error != std::errc{} || end != text.data() + text.size() || serial <= 0)
    return fail(Errc::invalid_argument, "a keyring is @s, @u, @us or a serial, not '" + text + "'");
  return serial;
}

Result<ConsumerKeyring> ConsumerKeyring::open(std::int32_t outer) {
  // By its number from here on: add_key(2) on "@s" would first make a session keyring that ends with us.
  const key_serial_t into = outer > 0 ? outer : keyctl_get_keyring_ID(outer, 0);
  if (into < 0) return failed("the keyring");
  key_serial_t serial = find_in(into);
  if (serial == 0) serial = add_key("keyring", kName, nullptr, 0, into);
  if (serial < 0) return failed("making the keyring akm");
  ConsumerKeyring out(serial);
  if (keyctl_setperm(serial, kOpen) != 0) return failed("permissions of the keyring akm");
  return out;
}

ConsumerKeyring::ConsumerKeyring(ConsumerKeyring&& other) noexcept
    : serial_(std::exchange(other.serial_, 0)) {}

ConsumerKeyring::~ConsumerKeyring() {
  if (serial_ > 0) (void)keyctl_setperm(serial_, kClosed);
}

Status ConsumerKeyring::close(std::int32_t key) {
  const key_serial_t ring = std::exchange(serial_, 0);
  if (keyctl_setperm(ring, kClosed) != 0) return failed("permissions of the keyring akm");
  const std::string text = describe(key);
  const std::size_t type = text.find(';');
  const std::size_t name = text.rfind(';');
  if (type == std::string::npos || name == type) return failed("the key cannot be seen");
  if (keyctl_search(ring, text.substr(0, type).c_str(), text.substr(name + 1).c_str(), 0) != key)
    return fail(Errc::not_authentic, "the keyring akm leads to another key of this name");
  return {};
}

}  // namespace akm::ctl
