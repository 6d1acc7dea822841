#include "daemon/node/key_exports.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "daemon/base/hex.h"
#include "tests/support/memory_key_store.h"

using namespace akm;
using namespace akm::test;
using keyring::KeyId;
using node::KeyExports;

namespace {

constexpr protocol::AsrId kAsr = 0x6001;
constexpr keyring::Serial kRing = 77;

/// Another program of this user.
class Sleeper {
 public:
  Sleeper() : pid_(::fork()) {
    if (pid_ == 0) {
      ::execl("/bin/sleep", "sleep", "100", nullptr);
      ::_exit(1);
    }
    while (std::filesystem::read_symlink("/proc/" + std::to_string(pid_) + "/exe") != program())
      ::usleep(1000);
  }
  ~Sleeper() {
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  static std::string program() { return std::filesystem::canonical("/bin/sleep").string(); }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

struct Bench {
  Bench() {
    view.description.id = kAsr;
    view.description.label = "asr-1";
    view.description.generation = 3;
    view.description.roster = {
        {.index = 0, .node_id = 1, .role = protocol::Role::node, .name = "a", .endpoints = {}},
        {.index = 1, .node_id = 2, .role = protocol::Role::node, .name = "b", .endpoints = {}}};
    view.description.policy.rekey_interval_s = 100;
    view.epoch = 5;
    session(1);
    keys.keyrings = {{kRing, ::getuid()}, {78, ::getuid()}, {79, ::getuid() + 1}};
  }
  void session(std::uint8_t byte) {
    SecretBuffer secret(32);
    std::ranges::fill(secret.reveal_mutable(), byte);
    (void)keys.put({kAsr, KeyId::Slot::current, {}}, secret, 60);
  }
  /// A rekey, as the shell tells of it.
  void rekey() {
    ++view.epoch;
    session(static_cast<std::uint8_t>(view.epoch));
    exports.session_changed(kAsr);
  }
  Result<std::int32_t> add(node::ControlPort::KeyExport what) {
    what.asr_id = kAsr;
    Caller caller;
    caller.uid = ::getuid();
    caller.pid = ::getpid();
    return exports.add(what, caller);
  }
  [[nodiscard]] std::string value(const KeyId& id) {
    const auto key = keys.get(id);
    return key ? hex(key->reveal()) : "";
  }
  struct Change {
    ExportedKey key;
    bool revoked;
  };
  static std::vector<node::ConsumerRule> rules() {
    std::vector<node::ConsumerRule> out;
    for (const char* name : {"vpn", "disk"}) {
      out.push_back({.name = name,
                     .asr = "asr-1",
                     .user = std::to_string(::getuid()),
                     .executable = std::filesystem::read_symlink("/proc/self/exe").string(),
                     .types = {"user", "logon"}});
    }
    return out;
  }

  protocol::AsrView view;
  bool there = true;
  MemoryKeyStore keys;
  std::vector<Change> changes;
  KeyExports exports{{.keys = &keys,
                      .view = [this](protocol::AsrId id) -> std::optional<protocol::AsrView> {
                        if (!there || id != kAsr) return std::nullopt;
                        return view;
                      },
                      .changed = [this](protocol::AsrId, const ExportedKey& key,
                                        bool revoked) { changes.push_back({key, revoked}); }},
                     rules()};
};

const KeyId kVpn{kAsr, KeyId::Slot::user_export, "vpn", ::getuid()};

/// Section 3, written down once more: HKDF-Expand is HMAC(secret, info || 0x01) for up to 32 bytes.
std::string expected(const protocol::AsrView& view, std::uint8_t session, const std::string& name,
                     const std::string& context) {
  std::string info = std::string("akm1 export") + '\0';
  const auto put = [&info](std::uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) info += static_cast<char>(value >> (8 * i));
  };
  std::string roster;
  std::swap(info, roster);  // put() appends to info
  put(kAsr, 8);
  put(view.description.generation, 4);
  put(2, 2);
  for (const auto& member : view.description.roster) {
    put(member.index, 2);
    put(member.node_id, 8);
    put(1, 1);
  }
  std::string hashed(32, '\0');
  EVP_Digest(info.data(), info.size(), reinterpret_cast<unsigned char*>(hashed.data()), nullptr, EVP_sha256(),
             nullptr);
  info = roster;
  put(1, 2);
  put(kAsr, 8);
  put(view.description.generation, 4);
  put(0, 1);
  put(view.epoch, 4);
  info += hashed;
  put(name.size(), 1);
  info += name + context + '\x01';
  const std::string secret(32, static_cast<char>(session));
  std::vector<std::uint8_t> out(32);
  HMAC(EVP_sha256(), secret.data(), 32, reinterpret_cast<const unsigned char*>(info.data()), info.size(),
       out.data(), nullptr);
  return hex(out);
}

}  // namespace

Test(key_exports, the_key_is_that_of_the_protocol) {
  Bench bench;
  const auto serial = bench.add({.name = "vpn", .type = "user", .keyring = kRing});
  cr_assert(serial, "%s", serial ? "" : serial.error().message().c_str());
  cr_assert_eq(bench.keys.keys.at(kVpn).serial, *serial);
  cr_assert_eq(bench.value(kVpn), expected(bench.view, 1, "vpn", ""));
  cr_assert_eq(bench.keys.last_timeout_s, 185, "a little over the interval");
  cr_assert(bench.add({.name = "vpn", .context = {0, 0xff}, .type = "logon", .keyring = kRing}));
  cr_assert_eq(bench.value({kAsr, KeyId::Slot::logon_export, "vpn:00ff", ::getuid()}),
               expected(bench.view, 1, "vpn", std::string("\0\xff", 2)));
  cr_assert(bench.add({.name = "disk", .type = "user", .keyring = kRing}));
  cr_assert_neq(bench.value({kAsr, KeyId::Slot::user_export, "disk", ::getuid()}), bench.value(kVpn));
}

Test(key_exports, a_rekey_renews_in_place_and_says_so_once) {
  Bench bench;
  const auto serial = bench.add({.name = "vpn", .type = "user", .keyring = kRing});
  bench.rekey();
  cr_assert_eq(bench.value(kVpn), expected(bench.view, 6, "vpn", ""));
  cr_assert_eq(bench.changes.size(), 1);
  cr_assert_eq(bench.changes[0].key.serial, *serial);
  cr_assert_eq(bench.changes[0].key.epoch, 6);
  cr_assert_not(bench.changes[0].revoked);
  // The session's key got a new timeout, nothing else.
  bench.keys.last_timeout_s = 0;
  bench.exports.session_changed(kAsr);
  cr_assert_eq(bench.keys.last_timeout_s, 185);
  cr_assert_eq(bench.changes.size(), 1);
  bench.exports.session_changed(kAsr + 1);
  cr_assert_eq(bench.exports.of(kAsr).size(), 1);
  cr_assert_eq(bench.exports.of(kAsr + 1).size(), 0);
}

Test(key_exports, without_a_session_there_is_no_key) {
  Bench bench;
  const auto serial = bench.add({.name = "vpn", .type = "user", .keyring = kRing});
  (void)bench.keys.revoke({kAsr, KeyId::Slot::current, {}});
  bench.exports.session_changed(kAsr);
  cr_assert_eq(bench.value(kVpn), "");
  cr_assert(bench.changes.at(0).revoked);
  cr_assert_eq(bench.changes[0].key.serial, *serial);
  cr_assert(bench.add({.name = "vpn", .type = "user", .keyring = kRing}).error().code == Errc::wrong_state);
  bench.there = false;
  cr_assert(bench.add({.name = "vpn", .type = "user", .keyring = kRing}).error().code == Errc::not_found);
  bench.there = true;
  bench.view.description.kind = protocol::Kind::provisioning;
  cr_assert(bench.add({.name = "vpn", .type = "user", .keyring = kRing}).error().code == Errc::not_found);
}

Test(key_exports, it_lives_as_long_as_somebody_holds_it) {
  Bench bench;
  const auto serial = bench.add({.name = "vpn", .type = "user", .keyring = kRing});
  cr_assert_eq(*bench.add({.name = "vpn", .type = "user", .keyring = 78}), *serial, "the same for both");
  cr_assert_eq(*bench.add({.name = "vpn", .type = "user", .keyring = 78}), *serial);
  cr_assert_eq(bench.exports.of(kAsr).at(0).users.size(), 2);
  bench.keys.keyrings.erase(kRing);
  bench.rekey();
  cr_assert_eq(bench.exports.of(kAsr).at(0).users.size(), 1);
  bench.keys.keyrings.erase(78);
  bench.rekey();
  cr_assert_eq(bench.exports.of(kAsr).size(), 0);
  cr_assert_eq(bench.value(kVpn), "");
  cr_assert(bench.changes.back().revoked);
}

Test(key_exports, released_by_who_has_exported_it) {
  Bench bench;
  const auto serial = bench.add({.name = "vpn", .type = "user", .keyring = kRing});
  Caller caller;
  caller.uid = ::getuid() + 1;
  caller.pid = ::getpid();
  cr_assert(bench.exports.release(kAsr, *serial, caller).error().code == Errc::not_found);
  cr_assert_neq(bench.value(kVpn), "");
  caller.uid = ::getuid();
  cr_assert(bench.exports.release(kAsr, *serial + 1, caller).error().code == Errc::not_found);
  const Sleeper sleeper;
  caller.pid = sleeper.pid();
  cr_assert(bench.exports.release(kAsr, *serial, caller).error().code == Errc::not_authorized,
            "another program of this user");
  cr_assert_neq(bench.value(kVpn), "");
  caller.pid = ::getpid();
  cr_assert(bench.exports.release(kAsr, *serial, caller));
  cr_assert_eq(bench.value(kVpn), "");
  cr_assert(bench.changes.at(0).revoked);
}

Test(key_exports, what_is_refused_leaves_nothing) {
  Bench bench;
  const auto refused = [&](node::ControlPort::KeyExport what) {
    const auto serial = bench.add(std::move(what));
    cr_assert_not(serial.has_value());
    cr_assert_eq(bench.keys.keys.size(), 1, "the session's alone");
    return serial.error().code;
  };
  cr_assert(refused({.name = "other", .type = "user", .keyring = kRing}) == Errc::not_authorized);
  cr_assert(refused({.name = "vpn", .type = "keyring", .keyring = kRing}) == Errc::invalid_argument);
  cr_assert(refused({.name = "v:n", .type = "user", .keyring = kRing}) == Errc::invalid_argument);
  cr_assert(
      refused({.name = "vpn", .context = std::vector<std::uint8_t>(65), .type = "user", .keyring = kRing}) ==
      Errc::invalid_argument);
  cr_assert(refused({.name = "vpn", .type = "user", .keyring = 5}) == Errc::not_found);
  cr_assert(refused({.name = "vpn", .type = "user", .keyring = 79}) == Errc::not_authorized);
  bench.keys.fail_puts = true;
  cr_assert(refused({.name = "vpn", .type = "user", .keyring = kRing}) == Errc::quota_exceeded);
  cr_assert(bench.changes.empty());
}

/// Whoever possesses a key can invalidate it for all who have it; a length is not in its name.
Test(key_exports, each_user_has_a_key_of_their_own) {
  Bench bench;
  auto rules = Bench::rules();
  rules.push_back(rules.front());
  rules.back().user = std::to_string(::getuid() + 1);
  rules.back().key_bytes = 64;
  KeyExports exports({.keys = &bench.keys,
                      .view = [&](protocol::AsrId) { return std::optional(bench.view); },
                      .changed = [](protocol::AsrId, const ExportedKey&, bool) {}},
                     rules);
  const auto add = [&](std::uint32_t uid, keyring::Serial ring) {
    Caller caller;
    caller.uid = uid;
    caller.pid = ::getpid();
    return exports.add({.asr_id = kAsr, .name = "vpn", .type = "user", .keyring = ring}, caller);
  };
  const auto first = add(::getuid(), kRing);
  const auto second = add(::getuid() + 1, 79);
  cr_assert(first && second && *first != *second);
  cr_assert_eq(*add(::getuid(), 78), *first);
  const KeyId other{kAsr, KeyId::Slot::user_export, "vpn", ::getuid() + 1};
  cr_assert_eq(bench.value(other).size(), 128);
  Caller caller;
  caller.uid = ::getuid();
  caller.pid = ::getpid();
  cr_assert(exports.release(kAsr, *second, caller).error().code == Errc::not_found);
  cr_assert(exports.release(kAsr, *first, caller));
  cr_assert_eq(bench.value(other).size(), 128, "the other's goes on");
}

/// The length is not in its name: it would get one that its program does not expect.
Test(key_exports, two_programs_of_a_user_share_one_key_and_its_length) {
  Bench bench;
  const Sleeper sleeper;
  auto rules = Bench::rules();
  rules.push_back(rules.front());
  rules.back().executable = Sleeper::program();
  rules[1].executable = Sleeper::program();
  rules[0].key_bytes = 64;
  KeyExports exports({.keys = &bench.keys,
                      .view = [&](protocol::AsrId) { return std::optional(bench.view); },
                      .changed = [](protocol::AsrId, const ExportedKey&, bool) {}},
                     rules);
  Caller self;
  self.uid = ::getuid();
  self.pid = ::getpid();
  Caller other;
  other.uid = ::getuid();
  other.pid = sleeper.pid();
  const auto first = exports.add({.asr_id = kAsr, .name = "vpn", .type = "user", .keyring = kRing}, self);
  cr_assert(first.has_value());
  cr_assert(exports.add({.asr_id = kAsr, .name = "vpn", .type = "user", .keyring = 78}, other).error().code ==
            Errc::refused_by_policy);
  cr_assert(exports.release(kAsr, *first, other).error().code == Errc::not_found, "it has exported none");
  cr_assert(exports.release(kAsr, *first, self));
  const auto second = exports.add({.asr_id = kAsr, .name = "vpn", .type = "user", .keyring = 78}, other);
  cr_assert(second.has_value(), "it is free again");
  cr_assert(exports.release(kAsr, *second, self).error().code == Errc::not_found, "the other has it");
}

Test(key_exports, everything_has_a_maximum) {
  Bench bench;
  for (std::uint8_t i = 0; i < node::kExportsPerUser; ++i)
    cr_assert(bench.add({.name = "vpn", .context = {i}, .type = "user", .keyring = kRing}));
  cr_assert(bench.add({.name = "disk", .type = "user", .keyring = kRing}).error().code ==
            Errc::limit_exceeded);
  for (keyring::Serial ring = 100; ring < 99 + static_cast<keyring::Serial>(node::kHoldersPerExport);
       ++ring) {
    bench.keys.keyrings[ring] = ::getuid();
    cr_assert(bench.add({.name = "vpn", .context = {0}, .type = "user", .keyring = ring}));
  }
  cr_assert(bench.add({.name = "vpn", .context = {0}, .type = "user", .keyring = 78}).error().code ==
            Errc::limit_exceeded);
  cr_assert(bench.add({.name = "vpn", .context = {0}, .type = "user", .keyring = kRing}), "already held");
  bench.exports.revoke_all();
  cr_assert_eq(bench.keys.keys.size(), 1);
  cr_assert_eq(bench.changes.size(), node::kExportsPerUser);
}

Test(key_exports, a_key_that_somebody_has_removed_ends) {
  Bench bench;
  const auto serial = bench.add({.name = "vpn", .type = "user", .keyring = kRing});
  bench.keys.keys.erase(kVpn);
  bench.rekey();
  cr_assert(bench.changes.at(0).revoked);
  cr_assert_eq(bench.changes[0].key.serial, *serial, "its holders know this one");
  cr_assert_eq(bench.value(kVpn), "");
}

Test(key_exports, without_a_keyring_there_is_nothing_to_give) {
  Bench bench;
  KeyExports none(
      {.keys = nullptr, .view = [&](protocol::AsrId) { return std::optional(bench.view); }, .changed = {}},
      Bench::rules());
  Caller caller;
  caller.uid = ::getuid();
  caller.pid = ::getpid();
  cr_assert(
      none.add({.asr_id = kAsr, .name = "vpn", .type = "user", .keyring = kRing}, caller).error().code ==
      Errc::not_supported);
  none.session_changed(kAsr);
  none.revoke_all();
}
