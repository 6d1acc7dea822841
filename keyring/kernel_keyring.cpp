#include "keyring/kernel_keyring.h"

#include <keyutils.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "daemon/base/hex.h"
#include "keyring/key_quota.h"

namespace akm::keyring {
namespace {

// The session keyring and ours: listing their serials gives nobody a key, and lets `keyctl list` work for an
// operator.
constexpr key_perm_t kKeyringPermissions = KEY_POS_ALL | KEY_USR_VIEW | KEY_USR_READ;
// LINK is what a kernel consumer needs to be handed a key; the user's other processes see only that it
// exists.
constexpr key_perm_t kKeyPermissions = KEY_POS_VIEW | KEY_POS_READ | KEY_POS_WRITE | KEY_POS_SEARCH |
                                       KEY_POS_LINK | KEY_POS_SETATTR | KEY_USR_VIEW;
// A consumer possesses its key and may use it; only we, by our user id, change it, give it its timeout and
// revoke it.
constexpr key_perm_t kExportPermissions =
    KEY_POS_VIEW | KEY_POS_SEARCH | KEY_POS_LINK | KEY_USR_VIEW | KEY_USR_WRITE | KEY_USR_SETATTR;
// What one key costs of the byte quota: a session secret (32 or 48 bytes) and its description, generously.
constexpr std::size_t kBytesPerKey = 128 + 2 * kKeyringNameMaxBytes;
// The session keyring and ours.
constexpr std::size_t kOwnKeyrings = 2;

/// A consumer's name, perhaps with ":" and a context in hex.
bool is_export_name(std::string_view name) {
  const std::size_t colon = name.find(':');
  if (!is_key_name(name.substr(0, colon))) return false;
  if (colon == std::string_view::npos) return true;
  const std::string_view context = name.substr(colon + 1);
  return !context.empty() && context.size() <= 2 * kExportContextMaxBytes &&
         std::ranges::all_of(context,
                             [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::unexpected<Error> keyring_error(std::string what, int error_number = errno) {
  // The key quota reports EDQUOT, which elsewhere means a full disk.
  if (error_number == EDQUOT) {
    return fail(Errc::quota_exceeded,
                std::move(what) + ": kernel.keys.maxkeys or maxbytes (root_maxkeys, root_maxbytes)");
  }
  return fail_errno(Errc::keyring_failed, std::move(what), error_number);
}

// The key is no longer there for us, which revoke and get take as an answer and not as a failure.
bool is_gone(int error_number) {
  return error_number == ENOKEY || error_number == EKEYREVOKED || error_number == EKEYEXPIRED;
}

const char* key_type(const KeyId& id) {
  return id.slot == KeyId::Slot::logon_export ? "logon" : "user";
}

key_perm_t permissions_of(const KeyId& id) {
  if (!is_export(id.slot)) return kKeyPermissions;
  return kExportPermissions | (id.slot == KeyId::Slot::user_export ? KEY_POS_READ : 0U);
}

// Best effort: what fails here is gone already or goes with the session keyring.
void revoke_and_unlink(Serial key, Serial keyring) {
  (void)keyctl_revoke(key);
  (void)keyctl_unlink(key, keyring);
}

/// "keyring;1000;1000;3f010005;name": whether the user may name it as a keyring of theirs.
Status check_keyring_of(Serial keyring, std::uint32_t owner) {
  std::array<char, 512> buffer{};
  const long size = keyctl_describe(keyring, buffer.data(), buffer.size());
  if (size < 0 && errno == EACCES)
    return fail(Errc::not_authorized, "akmd may not see that keyring (keyctl setperm: VIEW and WRITE)");
  if (size < 0) return fail(Errc::not_found, "no such keyring");
  const std::string_view text(buffer.data());  // cut off and ended where it is longer
  constexpr std::string_view kType = "keyring;";
  if (!text.starts_with(kType)) return fail(Errc::invalid_argument, "that key is no keyring");
  std::uint32_t uid = 0;
  const auto [end, error] = std::from_chars(text.data() + kType.size(), text.data() + text.size(), uid);
  if (error != std::errc{} || end == text.data() + text.size() || *end != ';' || uid != owner)
    return fail(Errc::not_authorized, "that keyring is of another user");
  return {};
}

}  // namespace

bool is_key_name(std::string_view name) {
  return !name.empty() && name.size() <= kKeyringNameMaxBytes && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

Result<std::unique_ptr<KernelKeyring>> KernelKeyring::create(std::string_view name, std::size_t keys_wanted) {
  if (!is_key_name(name)) return fail(Errc::invalid_argument, "keyring name");
  const std::size_t keys = keys_wanted + kOwnKeyrings;
  AKM_TRY(check_own_key_quota(keys, keys * kBytesPerKey));
  // Anonymous: a session keyring with a name could be joined by every process that knows the name.
  const key_serial_t session = keyctl_join_session_keyring(nullptr);
  if (session < 0) return keyring_error("join a session keyring");
  if (keyctl_setperm(session, kKeyringPermissions) != 0)
    return keyring_error("permissions of the session keyring");
  const std::string owned(name);
  const key_serial_t keyring = add_key("keyring", owned.c_str(), nullptr, 0, session);
  if (keyring < 0) return keyring_error("add keyring " + owned);
  if (keyctl_setperm(keyring, kKeyringPermissions) != 0) {
    return keyring_error("permissions of keyring " + owned);
  }
  return std::unique_ptr<KernelKeyring>(new KernelKeyring(owned, keyring));
}

KernelKeyring::~KernelKeyring() {
  for (const auto& [id, serial] : keys_) revoke_and_unlink(serial, keyring_);
  revoke_and_unlink(keyring_, KEY_SPEC_SESSION_KEYRING);
}

std::string KernelKeyring::description(const KeyId& id) const {
  std::string text = name_ + ":asr:" + hex_id(id.asr_id) + ":";
  switch (id.slot) {
    case KeyId::Slot::current:
      return text + "current";
    case KeyId::Slot::candidate:
      return text + "candidate";
    case KeyId::Slot::user_export:
    case KeyId::Slot::logon_export:
      return "akm:" + hex_id(id.asr_id) + ":" + id.name;
  }
  return text;
}

Result<Serial> KernelKeyring::parent_of(const KeyId& id) {
  if (!is_export(id.slot)) return keyring_;
  if (const auto known = users_.find(id.user);
      known != users_.end() && keyctl_describe(known->second, nullptr, 0) >= 0)
    return known->second;
  const std::string text = name_ + ":user:" + std::to_string(id.user);
  const key_serial_t made = add_key("keyring", text.c_str(), nullptr, 0, keyring_);
  if (made < 0) return keyring_error("add keyring " + text);
  if (keyctl_setperm(made, kKeyringPermissions) != 0) return keyring_error("permissions of keyring " + text);
  users_.insert_or_assign(id.user, made);
  return made;
}

Result<Serial> KernelKeyring::add(const KeyId& id, const SecretBuffer& secret) {
  const std::string text = description(id);
  AKM_ASSIGN(const Serial parent, parent_of(id));
  const key_serial_t serial =
      add_key(key_type(id), text.c_str(), secret.reveal().data(), secret.size(), parent);
  if (serial < 0) return keyring_error("add key " + text);
  if (keyctl_setperm(serial, permissions_of(id)) != 0) {
    auto error = keyring_error("permissions of key " + text);
    revoke_and_unlink(serial, parent);
    return error;
  }
  return serial;
}

Result<Serial> KernelKeyring::put(const KeyId& id, const SecretBuffer& secret, std::uint32_t timeout_s) {
  if (is_export(id.slot) ? !is_export_name(id.name) : !id.name.empty())
    return fail(Errc::invalid_argument, "consumer name");
  if (secret.empty() || secret.size() > kKeyMaxBytes) return fail(Errc::invalid_argument, "size of a key");

  Serial serial = 0;
  const auto known = keys_.find(id);
  if (known != keys_.end()) {
    // In place: a quarter of the cost of add_key(2), and consumers keep their serial.
    if (keyctl_update(known->second, secret.reveal().data(), secret.size()) == 0) {
      serial = known->second;
    } else if (is_gone(errno)) {
      AKM_ASSIGN(const Serial parent, parent_of(id));
      (void)keyctl_unlink(known->second, parent);
      keys_.erase(known);
    } else {
      return keyring_error("update key " + description(id));
    }
  }
  if (serial == 0) {
    // Asked for by a program: the quota is looked at first, since the kernel's error does not say which.
    if (is_export(id.slot)) AKM_TRY(check_own_key_quota(1, kBytesPerKey));
    AKM_ASSIGN(serial, add(id, secret));
    keys_.insert_or_assign(id, serial);
  }
  // Each time: an update takes the old timeout away.
  if (keyctl_set_timeout(serial, timeout_s) != 0) {
    auto error = keyring_error("timeout of key " + description(id));
    (void)revoke(id);
    return error;
  }
  return serial;
}

Result<SecretBuffer> KernelKeyring::get(const KeyId& id) {
  const auto known = keys_.find(id);
  if (known == keys_.end()) return fail(Errc::not_found, description(id));
  SecretBuffer secret(kKeyMaxBytes);
  const long size =
      keyctl_read(known->second, reinterpret_cast<char*>(secret.reveal_mutable().data()), secret.size());
  if (size < 0) {
    // EACCES: not possessed, so no longer in our keyring. The kernel takes an invalidated key out of its
    // keyrings a moment before it forgets the serial.
    if (is_gone(errno) || errno == EACCES) return fail(Errc::not_found, description(id));
    return keyring_error("read key " + description(id));
  }
  if (static_cast<std::size_t>(size) > secret.size()) return fail(Errc::too_large, description(id));
  secret.shrink(static_cast<std::size_t>(size));
  return secret;
}

Status KernelKeyring::revoke(const KeyId& id) {
  const auto known = keys_.find(id);
  if (known == keys_.end()) return {};
  const Serial serial = known->second;
  keys_.erase(known);
  // First revoke: it takes the key from everyone at once, while unlinking leaves it to whoever else holds it.
  const int revoked = keyctl_revoke(serial) == 0 ? 0 : errno;
  const auto user = users_.find(id.user);
  const Serial parent = is_export(id.slot) && user != users_.end() ? user->second : keyring_;
  if (keyctl_unlink(serial, parent) != 0 && !is_gone(errno) && errno != ENOENT) {
    return keyring_error("unlink key " + description(id));
  }
  if (revoked != 0 && !is_gone(revoked)) return keyring_error("revoke key " + description(id), revoked);
  return {};
}

Status KernelKeyring::revoke_all() {
  Status first;
  while (!keys_.empty()) {
    const Status status = revoke(KeyId(keys_.begin()->first));
    if (!status && first) first = status;
  }
  // Also what somebody else may have linked in, and the keyrings of users.
  users_.clear();
  if (keyctl_clear(keyring_) != 0 && first) return keyring_error("clear keyring " + name_);
  return first;
}

Status KernelKeyring::give(const KeyId& id, Serial keyring, std::uint32_t owner) {
  const auto known = keys_.find(id);
  if (known == keys_.end() || !is_export(id.slot)) return fail(Errc::not_found, description(id));
  // Numbers below 1 stand for keyrings of the process that uses them, which here is us.
  const bool ours = keyring == keyring_ ||
                    std::ranges::any_of(users_, [keyring](const auto& one) { return one.second == keyring; });
  if (keyring <= 0 || ours) return fail(Errc::invalid_argument, "serial of a keyring");
  AKM_TRY(check_keyring_of(keyring, owner));
  if (keyctl_link(known->second, keyring) == 0) return {};
  const int error_number = errno;
  if (error_number == EACCES)
    return fail(Errc::not_authorized, "akmd may not write to that keyring (keyctl setperm: VIEW and WRITE)");
  if (is_gone(error_number)) return fail(Errc::not_found, "no such keyring");
  return keyring_error("link key " + description(id) + " into keyring " + std::to_string(keyring),
                       error_number);
}

bool KernelKeyring::is_there(Serial keyring) const {
  // Another error than these comes from one that is there: its owner no longer lets us see it.
  return keyctl_describe(keyring, nullptr, 0) >= 0 || !is_gone(errno);
}

std::vector<Serial> KernelKeyring::serials() const {
  std::vector<Serial> all{keyring_};
  all.reserve(keys_.size() + 1);
  for (const auto& [id, serial] : keys_) {
    if (!is_export(id.slot)) all.push_back(serial);
  }
  return all;
}

}  // namespace akm::keyring
