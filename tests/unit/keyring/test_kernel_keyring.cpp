// On the real kernel keyring: Criterion runs each test in its own process, which gets its own session
// keyring.
#include "keyring/kernel_keyring.h"

#include <criterion/criterion.h>
#include <keyutils.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <thread>

#include "tests/support/run_program.h"

using akm::Errc;
using akm::SecretBuffer;
using akm::keyring::KernelKeyring;
using akm::keyring::KeyId;
using akm::keyring::Serial;

namespace {

constexpr KeyId::Slot kCurrent = KeyId::Slot::current;

SecretBuffer secret_of(std::uint8_t first, std::size_t size = 32) {
  SecretBuffer secret(size);
  for (std::size_t i = 0; i < size; ++i) secret.reveal_mutable()[i] = static_cast<std::uint8_t>(first + i);
  return secret;
}

bool same(const SecretBuffer& a, const SecretBuffer& b) {
  return std::ranges::equal(a.reveal(), b.reveal());
}

std::unique_ptr<KernelKeyring> keyring(const char* name = "akm-test") {
  auto made = KernelKeyring::create(name, 16);
  if (!made && (errno == ENOSYS || errno == EPERM)) cr_skip("no kernel keyring here");
  cr_assert(made, "%s", made ? "" : made.error().message().c_str());
  return std::move(*made);
}

// errno of the kernel's answer to a look at the key, 0 when it is there.
int state_of(Serial serial) {
  char text[512];
  return keyctl_describe(serial, text, sizeof text) < 0 ? errno : 0;
}

// Waits until the key is gone; the test's own time limit (ctest) ends it if that never happens.
void wait_until_gone(Serial serial) {
  while (state_of(serial) == 0) ::usleep(2000);
}

}  // namespace

Test(kernel_keyring, puts_gets_and_updates_in_place) {
  auto keys = keyring();
  const KeyId id{0x0123456789abcdef, kCurrent, {}};
  const auto first = keys->put(id, secret_of(1), 60);
  cr_assert(first, "%s", first.error().message().c_str());
  const auto second = keys->put(id, secret_of(2), 60);
  cr_assert(second);
  cr_assert_eq(*first, *second, "an update keeps the serial");
  const auto read = keys->get(id);
  cr_assert(read);
  cr_assert(same(*read, secret_of(2)));
  cr_assert(keys->put({1, KeyId::Slot::candidate, {}}, secret_of(3, 48), 60));
  cr_assert(same(*keys->get({1, KeyId::Slot::candidate, {}}), secret_of(3, 48)));
  cr_assert_eq(keys->serials().size(), 3);
  cr_assert_eq(keys->serials().front(), keys->keyring_serial());
}

Test(kernel_keyring, descriptions_carry_the_keyring_name_and_permissions_are_tight) {
  auto keys = keyring("akm-node7");
  const auto current = keys->put({0x0123456789abcdef, kCurrent, {}}, secret_of(1), 60);
  const auto exported = keys->put({2, KeyId::Slot::logon_export, "wireguard:00ff"}, secret_of(1), 60);
  cr_assert(current && exported);
  char text[512];
  cr_assert_gt(keyctl_describe(*current, text, sizeof text), 0);
  const std::string described(text);
  cr_assert(described.starts_with("user;"), "%s", text);
  cr_assert(described.ends_with(";3f010000;akm-node7:asr:0123456789abcdef:current"), "%s", text);
  cr_assert_gt(keyctl_describe(*exported, text, sizeof text), 0);
  cr_assert(std::string(text).starts_with("logon;"), "%s", text);
  cr_assert(std::string(text).ends_with(";19250000;akm:0000000000000002:wireguard:00ff"), "%s", text);
}

Test(kernel_keyring, exported_keys_cannot_be_read_even_by_the_owner) {
  auto keys = keyring();
  const KeyId id{2, KeyId::Slot::logon_export, "dm-crypt"};
  const auto serial = keys->put(id, secret_of(1), 60);
  cr_assert(serial);
  const auto read = keys->get(id);
  cr_assert(!read);
  cr_assert(read.error().code == Errc::keyring_failed);
}

Test(kernel_keyring, another_process_sees_but_does_not_read_search_link_or_change) {
  if (!akm::test::have_program("keyctl")) cr_skip("keyctl is not installed");
  auto keys = keyring("akm-foreign");
  const auto serial = keys->put({5, kCurrent, {}}, secret_of('A'), 60);
  cr_assert(serial);
  const std::string key = std::to_string(*serial);
  const std::string ring = std::to_string(keys->keyring_serial());
  // A child that keeps our session keyring possesses the key: the control, without which a refusal proves
  // nothing.
  cr_assert_eq(akm::test::run_program({"keyctl", "pipe", key}).output, "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`");
  // With a session keyring of its own it is a foreign process, here of the same user, which may be root.
  const auto foreign = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"keyctl", "session", "-", "keyctl"});
    return akm::test::run_program(arguments);
  };
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"read", key},
        {"pipe", key},
        {"link", key, "@s"},
        {"link", ring, "@s"},
        {"search", ring, "user", "akm-foreign:asr:0000000000000005:current"},
        {"update", key, "forged"},
        {"setperm", key, "0x3f3f3f3f"},
        {"setperm", ring, "0x3f3f3f3f"},
        {"timeout", key, "1"},
        {"revoke", key},
        {"clear", ring},
        {"unlink", key, ring}}) {
    const auto refused = foreign(command);
    cr_assert_neq(refused.exit_code, 0, "keyctl %s was not refused", command.front().c_str());
    cr_assert(refused.output.find("ermission denied") != std::string::npos, "keyctl %s: %s",
              command.front().c_str(), refused.output.c_str());
    cr_assert(refused.output.find("ABCD") == std::string::npos);
  }
  // keyctl show wants SEARCH, with which a keyring can also be joined by its name: so list, not show.
  const auto shown = foreign({"list", ring});
  cr_assert_eq(shown.exit_code, 0);
  cr_assert(shown.output.find("akm-foreign:asr:0000000000000005:current") != std::string::npos, "%s",
            shown.output.c_str());
  cr_assert(same(*keys->get({5, kCurrent, {}}), secret_of('A')), "nothing of that changed the key");
}

Test(kernel_keyring, the_keyring_cannot_be_joined_by_its_name) {
  if (!akm::test::have_program("keyctl")) cr_skip("keyctl is not installed");
  auto keys = keyring("akm-joined");
  const auto serial = keys->put({5, kCurrent, {}}, secret_of('A'), 60);
  const auto joined =
      akm::test::run_program({"keyctl", "session", "akm-joined", "keyctl", "pipe", std::to_string(*serial)});
  cr_assert_neq(joined.exit_code, 0);
  cr_assert(joined.output.find("ABCD") == std::string::npos);
}

Test(kernel_keyring, threads_started_later_possess_the_keys) {
  auto keys = keyring();
  cr_assert(keys->put({5, kCurrent, {}}, secret_of(9), 60));
  bool read = false;
  std::thread([&] { read = keys->get({5, kCurrent, {}}).has_value(); }).join();
  cr_assert(read);
}

Test(kernel_keyring, every_put_sets_the_timeout_anew) {
  auto keys = keyring();
  const KeyId id{5, kCurrent, {}};
  const auto serial = keys->put(id, secret_of(1), 1);
  cr_assert(serial);
  // An update takes the timeout of the first put away, were it not set again.
  cr_assert(keys->put(id, secret_of(2), 1));
  wait_until_gone(*serial);
  const auto expired = keys->get(id);
  cr_assert(!expired);
  cr_assert(expired.error().code == Errc::not_found);
  const auto again = keys->put(id, secret_of(3), 60);
  cr_assert(again, "%s", again.error().message().c_str());
  cr_assert(same(*keys->get(id), secret_of(3)));
}

Test(kernel_keyring, revoking_takes_the_key_from_everyone) {
  auto keys = keyring();
  const KeyId id{5, kCurrent, {}};
  const auto serial = keys->put(id, secret_of(1), 60);
  // A second link, as a consumer would hold it: unlinking alone would leave the key alive there.
  cr_assert_eq(keyctl_link(*serial, KEY_SPEC_SESSION_KEYRING), 0);
  cr_assert(keys->revoke(id));
  char payload[64];
  cr_assert_lt(keyctl_read(*serial, payload, sizeof payload), 0);
  cr_assert_eq(errno, EKEYREVOKED);
  cr_assert(keys->get(id).error().code == Errc::not_found);
  cr_assert(keys->revoke(id), "a key that is not there is no error");
  cr_assert_eq(keys->serials().size(), 1);
}

Test(kernel_keyring, a_key_revoked_behind_our_back_is_made_anew) {
  auto keys = keyring();
  const KeyId id{5, kCurrent, {}};
  const auto serial = keys->put(id, secret_of(1), 60);
  cr_assert_eq(keyctl_revoke(*serial), 0);
  cr_assert(keys->get(id).error().code == Errc::not_found);
  const auto again = keys->put(id, secret_of(2), 60);
  cr_assert(again);
  cr_assert_neq(*again, *serial);
  cr_assert(same(*keys->get(id), secret_of(2)));
}

Test(kernel_keyring, revoke_all_leaves_an_empty_keyring) {
  auto keys = keyring();
  std::vector<Serial> serials;
  for (std::uint64_t asr = 1; asr <= 4; ++asr)
    serials.push_back(*keys->put({asr, kCurrent, {}}, secret_of(1), 60));
  cr_assert(keys->put({1, KeyId::Slot::logon_export, "x"}, secret_of(1), 60));
  cr_assert(keys->revoke_all());
  for (const Serial serial : serials) cr_assert_neq(state_of(serial), 0);
  cr_assert_eq(keys->serials().size(), 1);
  Serial content[4];
  cr_assert_eq(keyctl_read(keys->keyring_serial(), reinterpret_cast<char*>(content), sizeof content), 0);
  cr_assert(keys->put({1, kCurrent, {}}, secret_of(1), 60), "the keyring is still usable");
}

Test(kernel_keyring, keys_vanish_with_a_killed_owner) {
  int pipe_fds[2];
  cr_assert_eq(::pipe(pipe_fds), 0);
  const pid_t owner = ::fork();
  if (owner == 0) {
    auto keys = KernelKeyring::create("akm-killed");
    Serial serial = keys ? *(*keys)->put({7, kCurrent, {}}, secret_of(1), 0) : 0;
    if (::write(pipe_fds[1], &serial, sizeof serial) != sizeof serial) ::_exit(1);
    for (;;) ::pause();
  }
  Serial serial = 0;
  cr_assert_eq(::read(pipe_fds[0], &serial, sizeof serial), static_cast<ssize_t>(sizeof serial));
  cr_assert_gt(serial, 0);
  cr_assert_eq(state_of(serial), 0, "seen while its owner lives");
  cr_assert_eq(::kill(owner, SIGKILL), 0);
  int status = 0;
  cr_assert_eq(::waitpid(owner, &status, 0), owner);
  wait_until_gone(serial);
}

Test(kernel_keyring, the_end_of_the_store_revokes_its_keys) {
  auto keys = keyring();
  const auto serial = keys->put({5, kCurrent, {}}, secret_of(1), 0);
  keys.reset();
  cr_assert_neq(state_of(*serial), 0);
}

Test(kernel_keyring, bad_arguments_are_refused) {
  for (const char* name : {"", "a b", "a:b", "a/b", "ü"}) {
    const auto made = KernelKeyring::create(name);
    cr_assert(!made, "%s", name);
    cr_assert(made.error().code == Errc::invalid_argument);
  }
  cr_assert(!KernelKeyring::create(std::string(65, 'a')));
  const auto many = KernelKeyring::create("akm-many", std::size_t{1} << 40);
  cr_assert(!many);
  cr_assert(many.error().code == Errc::quota_exceeded);
  auto keys = keyring();
  cr_assert(keys->put({1, kCurrent, "name"}, secret_of(1), 60).error().code == Errc::invalid_argument);
  cr_assert(keys->put({1, KeyId::Slot::logon_export, ""}, secret_of(1), 60).error().code ==
            Errc::invalid_argument);
  cr_assert(keys->put({1, KeyId::Slot::logon_export, "a:xy"}, secret_of(1), 60).error().code ==
            Errc::invalid_argument);
  cr_assert(keys->put({1, kCurrent, {}}, SecretBuffer(), 60).error().code == Errc::invalid_argument);
  cr_assert(keys->put({1, kCurrent, {}}, SecretBuffer(2000), 60).error().code == Errc::invalid_argument);
  cr_assert(keys->get({1, kCurrent, {}}).error().code == Errc::not_found);
}

namespace {

constexpr key_perm_t kOpenToOthers = KEY_POS_ALL | KEY_USR_VIEW | KEY_OTH_VIEW | KEY_OTH_WRITE;
const KeyId kExported{9, KeyId::Slot::user_export, "vpn"};

/// What a consumer of another user sees: makes a keyring, tells its serial, waits for that of the key and
/// runs `use` on it.
template <typename Use>
int as_consumer(KernelKeyring& keys, key_perm_t open_to, const Use& use, akm::Status& given,
                const KeyId& id = kExported) {
  constexpr uid_t kNobody = 65534;
  int up[2];
  int down[2];
  cr_assert_eq(::pipe(up), 0);
  cr_assert_eq(::pipe(down), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(kNobody, kNobody, kNobody) != 0) ::_exit(90);
    (void)keyctl_join_session_keyring(nullptr);
    Serial ring = add_key("keyring", "mine", nullptr, 0, KEY_SPEC_SESSION_KEYRING);
    if (ring < 0 || keyctl_setperm(ring, open_to) != 0) ::_exit(91);
    Serial key = 0;
    if (::write(up[1], &ring, sizeof ring) != sizeof ring || ::read(down[0], &key, sizeof key) != sizeof key)
      ::_exit(92);
    ::_exit(use(key, ring));
  }
  Serial ring = 0;
  cr_assert_eq(::read(up[0], &ring, sizeof ring), static_cast<ssize_t>(sizeof ring));
  const auto key = keys.put(id, secret_of('A'), 60);
  cr_assert(key);
  given = keys.give(id, ring, kNobody);
  cr_assert_eq(::write(down[1], &*key, sizeof *key), static_cast<ssize_t>(sizeof *key));
  int status = 0;
  cr_assert_eq(::waitpid(child, &status, 0), child);
  cr_assert(WIFEXITED(status));
  return WEXITSTATUS(status);
}

}  // namespace

Test(kernel_keyring, a_consumer_of_another_user_reads_its_key_and_cannot_change_it) {
  if (::geteuid() != 0) cr_skip("needs uid 0: takes another identity");
  auto keys = keyring();
  akm::Status given;
  const auto use = [](Serial key, Serial) {
    char text[64];
    if (keyctl_read(key, text, sizeof text) != 32 || std::string_view(text, 4) != "ABCD") return 1;
    if (keyctl_update(key, "x", 1) == 0 || errno != EACCES) return 2;
    if (keyctl_revoke(key) == 0 || errno != EACCES) return 3;
    if (keyctl_set_timeout(key, 0) == 0 || errno != EACCES) return 4;
    return keyctl_setperm(key, KEY_POS_ALL | KEY_USR_ALL) == 0 ? 5 : 0;
  };
  cr_assert_eq(as_consumer(*keys, kOpenToOthers, use, given), 0);
  cr_assert(given);
}

Test(kernel_keyring, nobody_reads_a_logon_key_and_nobody_else_a_user_key) {
  if (::geteuid() != 0) cr_skip("needs uid 0: takes another identity");
  auto keys = keyring();
  akm::Status given;
  const auto read = [](Serial key, Serial) {
    char text[64];
    return keyctl_read(key, text, sizeof text) < 0 ? 0 : 1;
  };
  const KeyId logon{9, KeyId::Slot::logon_export, "disk:00ff"};
  cr_assert_eq(as_consumer(*keys, kOpenToOthers, read, given, logon), 0);
  cr_assert(given);
  // The kernel takes it for the consumer, which finds it by its description.
  const auto find = [](Serial key, Serial) {
    return keyctl_search(KEY_SPEC_SESSION_KEYRING, "logon", "akm:0000000000000009:disk:00ff", 0) == key ? 0
                                                                                                        : 1;
  };
  cr_assert_eq(as_consumer(*keys, kOpenToOthers, find, given, logon), 0);
  // Its user alone is not enough: it must possess the keyring that the key was put into.
  const auto leave = [](Serial key, Serial) {
    (void)keyctl_join_session_keyring(nullptr);
    char text[64];
    return keyctl_read(key, text, sizeof text) < 0 ? 0 : 1;
  };
  cr_assert_eq(as_consumer(*keys, kOpenToOthers, leave, given), 0);
}

Test(kernel_keyring, a_key_is_put_only_where_its_owner_let_us) {
  if (::geteuid() != 0) cr_skip("needs uid 0: takes another identity");
  auto keys = keyring();
  akm::Status given;
  const auto nothing = [](Serial, Serial) { return 0; };
  cr_assert_eq(as_consumer(*keys, KEY_POS_ALL | KEY_USR_VIEW | KEY_OTH_VIEW, nothing, given), 0);
  cr_assert(given.error().code == Errc::not_authorized, "not to be written to");
  cr_assert_eq(as_consumer(*keys, KEY_POS_ALL | KEY_OTH_WRITE, nothing, given), 0);
  cr_assert(given.error().code == Errc::not_authorized, "not to be seen");
  // Of another user than says so, of none, our own, no keyring.
  const Serial ring = add_key("keyring", "ours", nullptr, 0, KEY_SPEC_SESSION_KEYRING);
  const Serial plain = add_key("user", "plain", "x", 1, KEY_SPEC_SESSION_KEYRING);
  cr_assert(keys->put(kExported, secret_of(1), 60));
  cr_assert(keys->give(kExported, ring, 1000).error().code == Errc::not_authorized);
  cr_assert(keys->give(kExported, ring, ::geteuid()));
  cr_assert(keys->give(kExported, plain, ::geteuid()).error().code == Errc::invalid_argument);
  for (const Serial bad : {0, KEY_SPEC_SESSION_KEYRING, keys->keyring_serial()})
    cr_assert(keys->give(kExported, bad, ::geteuid()).error().code == Errc::invalid_argument);
  cr_assert(keys->give({1, kCurrent, {}}, ring, ::geteuid()).error().code == Errc::not_found);
  cr_assert(keys->is_there(ring));
  (void)keyctl_revoke(ring);
  cr_assert_not(keys->is_there(ring));
  cr_assert(keys->give(kExported, ring, ::geteuid()).error().code == Errc::not_found);
}

// What the kernel's collector leaves for a moment of an invalidated key: a serial in none of our keyrings.
Test(kernel_keyring, a_key_that_left_our_keyring_is_not_found) {
  auto keys = keyring();
  const KeyId id{9, kCurrent, {}};
  const auto serial = keys->put(id, secret_of('A'), 60);
  cr_assert(serial);
  cr_assert_eq(keyctl_link(*serial, KEY_SPEC_USER_KEYRING), 0);
  cr_assert_eq(keyctl_unlink(*serial, keys->keyring_serial()), 0);
  cr_assert_eq(state_of(*serial), 0, "the kernel still has it");
  const auto read = keys->get(id);
  cr_assert(!read && read.error().code == Errc::not_found);
  cr_assert_eq(keyctl_unlink(*serial, KEY_SPEC_USER_KEYRING), 0);
}

Test(kernel_keyring, a_user_can_invalidate_no_key_of_another) {
  auto keys = keyring();
  const KeyId first{9, KeyId::Slot::user_export, "vpn", 1000};
  const KeyId second{9, KeyId::Slot::user_export, "vpn", 1001};
  const auto one = keys->put(first, secret_of('A'), 60);
  const auto other = keys->put(second, secret_of('A'), 60);
  cr_assert(one && other && *one != *other);
  cr_assert_eq(keyctl_invalidate(*one), 0);
  cr_assert(keys->get(first).error().code == Errc::not_found);
  cr_assert_eq(*keys->put(second, secret_of('B'), 60), *other);
  cr_assert_neq(*keys->put(first, secret_of('B'), 60), *one, "the user has another now");
  cr_assert(keys->revoke_all());
  cr_assert(keys->get(second).error().code == Errc::not_found);
  cr_assert(keys->put(second, secret_of('C'), 60), "and goes on");
}

Test(kernel_keyring, who_holds_an_exported_key_sees_it_renewed_and_revoked) {
  if (::geteuid() != 0) cr_skip("needs uid 0: takes another identity");
  auto keys = keyring();
  const auto serial = keys->put(kExported, secret_of('A'), 60);
  const Serial ring = add_key("keyring", "ours", nullptr, 0, KEY_SPEC_SESSION_KEYRING);
  cr_assert(keys->give(kExported, ring, ::geteuid()));
  cr_assert_eq(*keys->put(kExported, secret_of('a'), 60), *serial, "renewed in place");
  char text[64];
  cr_assert_eq(keyctl_read(*serial, text, sizeof text), 32);
  cr_assert_eq(text[0], 'a');
  cr_assert_eq(keys->serials().size(), 1, "consumers use it: the probes do not guard it");
  cr_assert(keys->revoke(kExported));
  cr_assert_lt(keyctl_read(*serial, text, sizeof text), 0);
  cr_assert_eq(errno, EKEYREVOKED);
}

Test(kernel_keyring, a_consumer_without_room_is_told_which_quota) {
  if (::geteuid() != 0) cr_skip("needs uid 0: takes another identity");
  constexpr uid_t kPoor = 64999;  // nobody's, so that nobody else's quota is used up
  auto keys = keyring();
  cr_assert(keys->put(kExported, secret_of(1), 60));
  int up[2];
  int down[2];
  cr_assert_eq(::pipe(up), 0);
  cr_assert_eq(::pipe(down), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(kPoor, kPoor, kPoor) != 0) ::_exit(90);
    (void)keyctl_join_session_keyring(nullptr);
    Serial ring = add_key("keyring", "mine", nullptr, 0, KEY_SPEC_SESSION_KEYRING);
    if (keyctl_setperm(ring, kOpenToOthers) != 0) ::_exit(91);
    const Serial store = add_key("keyring", "store", nullptr, 0, KEY_SPEC_SESSION_KEYRING);
    // Down to the last byte: what a link costs is smaller than any key.
    const std::string content(16384, 'x');
    Serial last = 0;
    int number = 0;
    for (std::size_t size = content.size(); size > 0; size /= 2) {
      for (Serial made = 1; made > 0 && number < 150; ++number) {
        made = add_key("user", std::to_string(number).c_str(), content.data(), size, store);
        if (made > 0) last = made;
      }
    }
    for (std::size_t size = 2; size < 64; ++size) (void)keyctl_update(last, content.data(), size);
    char go = 0;
    if (::write(up[1], &ring, sizeof ring) != sizeof ring || ::read(down[0], &go, 1) != 1) ::_exit(92);
    ::_exit(0);
  }
  Serial ring = 0;
  cr_assert_eq(::read(up[0], &ring, sizeof ring), static_cast<ssize_t>(sizeof ring));
  const akm::Status given = keys->give(kExported, ring, kPoor);
  cr_assert_eq(::write(down[1], "x", 1), 1);
  int status = 0;
  cr_assert_eq(::waitpid(child, &status, 0), child);
  cr_assert_eq(status, 0);
  cr_assert(given.error().code == Errc::quota_exceeded, "%s",
            given ? "given" : given.error().message().c_str());
  cr_assert(given.error().detail.contains("maxbytes"), "%s", given.error().message().c_str());
}
