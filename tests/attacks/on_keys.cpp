// Row D1: use of the node's keys.
#include <linux/keyctl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "tests/attacks/attack.h"
#include "tests/attacks/ia32.h"

namespace akm::attacks {
namespace {

constexpr std::size_t kKeys = 256;
constexpr int kIa32Keyctl = 288;

long keyctl(int command, long a = 0, long b = 0, long c = 0, long d = 0) {
  return ::syscall(SYS_keyctl, command, a, b, c, d);
}

long address(const void* memory) {
  return reinterpret_cast<long>(memory);
}

std::string description_of(std::int32_t key) {
  std::array<char, 512> text{};
  if (keyctl(KEYCTL_DESCRIBE, key, address(text.data()), text.size()) < 0) return {};
  const std::string_view all = text.data();
  return std::string(all.substr(all.rfind(';') + 1));
}

int read_key(const Target& target) {
  std::array<char, 64> room{};
  return outcome(keyctl(KEYCTL_READ, key_of(target), address(room.data()), room.size()));
}

int search_key(const Target& target) {
  const std::string name = description_of(key_of(target));
  return outcome(keyctl(KEYCTL_SEARCH, target.keyring, address("user"), address(name.c_str()),
                        KEY_SPEC_PROCESS_KEYRING));
}

int link_key(const Target& target) {
  return outcome(keyctl(KEYCTL_LINK, key_of(target), KEY_SPEC_PROCESS_KEYRING));
}

int link_into_ours(const Target& target) {
  const long own = ::syscall(SYS_add_key, "user", "atk-own", "x", 1, KEY_SPEC_PROCESS_KEYRING);
  return outcome(keyctl(KEYCTL_LINK, own, target.keyring));
}

int invalidate_nothing(const Target& target) {
  // A timeout of 0 is none: what a key of ours that is not to expire would have.
  return outcome(keyctl(KEYCTL_SET_TIMEOUT, key_of(target), 86400));
}

/// The owner's rights for all: what root does who wants to read it afterwards.
int open_rights(const Target& target) {
  const int refused = outcome(keyctl(KEYCTL_SETPERM, key_of(target), 0x3f3f3f3f));
  return refused != 0 ? refused : read_key(target);
}

int from_thread(const Target& target) {
  return in_thread([&] { return read_key(target); });
}

int from_namespaces(const Target& target) {
  return in_namespaces(CLONE_NEWPID | CLONE_NEWNS, [&] { return read_key(target); });
}

int from_memory(const Target& target) {
  return again_from_memory("d1-read", target);
}

int renamed(const Target& target) {
  return again_renamed("d1-read", target);
}

int by_ia32(const Target& target) {
  const std::int32_t key = key_of(target);
  return ia32_call(kIa32Keyctl, KEYCTL_READ, static_cast<std::uint32_t>(key), 0, 0);
}

int list_keyring(const Target& target) {
  std::array<std::int32_t, kKeys> keys{};
  return outcome(keyctl(KEYCTL_READ, target.keyring, address(keys.data()), sizeof(keys)));
}

int describe_key(const Target& target) {
  return description_of(key_of(target)).empty() ? EIO : open_once("/proc/keys", 0);
}

int use_own_key(const Target&) {
  const long own = ::syscall(SYS_add_key, "user", "atk-own", "secret", 6, KEY_SPEC_PROCESS_KEYRING);
  std::array<char, 64> room{};
  return outcome(keyctl(KEYCTL_READ, own, address(room.data()), room.size()));
}

constexpr const char* kClass = "key-access";
constexpr Attack kTable[] = {
    {"d1-read", "D1", kClass, Kind::attack, read_key},
    {"d1-search", "D1", kClass, Kind::attack, search_key},
    {"d1-link", "D1", kClass, Kind::attack, link_key},
    {"d1-link-into", "D1", kClass, Kind::attack, link_into_ours},
    {"d1-timeout", "D1", kClass, Kind::attack, invalidate_nothing},
    {"d1-thread", "D1", kClass, Kind::around, from_thread},
    {"d1-namespaces", "D1", kClass, Kind::around, from_namespaces},
    {"d1-memfd", "D1", kClass, Kind::around, from_memory},
    {"d1-renamed", "D1", kClass, Kind::around, renamed},
    {"d1-ia32", "D1", kClass, Kind::around, by_ia32},
    {"d1-rights", "D1", kClass, Kind::around, open_rights},
    {"ok1-list", "D1", kClass, Kind::benign, list_keyring},
    {"ok1-describe", "D1", kClass, Kind::benign, describe_key},
    {"ok1-own", "D1", kClass, Kind::benign, use_own_key},
};

}  // namespace

std::span<const Attack> on_keys() {
  return kTable;
}

std::int32_t key_of(const Target& target) {
  std::array<std::int32_t, kKeys> keys{};
  const long bytes = keyctl(KEYCTL_READ, target.keyring, address(keys.data()), sizeof(keys));
  std::int32_t first = 0;
  for (std::size_t i = 0; i < kKeys && static_cast<long>(i * sizeof(keys[0])) < bytes; ++i) {
    if (description_of(keys[i]).ends_with(":current")) return keys[i];
    if (first == 0) first = keys[i];
  }
  return first;
}

}  // namespace akm::attacks
