#include "tools/akmctl/consumer_keyring.h"

#include <criterion/criterion.h>
#include <keyutils.h>
#include <unistd.h>

#include <string>

using namespace akm;
using namespace akm::ctl;

namespace {

/// A keyring in a session of this test's own.
key_serial_t outer() {
  if (keyctl_join_session_keyring(nullptr) < 0) cr_skip("no kernel keyring here");
  return add_key("keyring", "outer", nullptr, 0, KEY_SPEC_SESSION_KEYRING);
}

std::string permissions(key_serial_t key) {
  char text[256] = {};
  cr_assert_gt(keyctl_describe(key, text, sizeof text), 0);
  const std::string described(text);
  return described.substr(described.rfind(';') - 8, 8);
}

}  // namespace

Test(consumer_keyring, names_and_serials) {
  cr_assert_eq(*parse_keyring("@s"), KEY_SPEC_SESSION_KEYRING);
  cr_assert_eq(*parse_keyring("@u"), KEY_SPEC_USER_KEYRING);
  cr_assert_eq(*parse_keyring("@us"), KEY_SPEC_USER_SESSION_KEYRING);
  cr_assert_eq(*parse_keyring("12345"), 12345);
  for (const char* bad : {"", "@p", "0", "-3", "12x", "99999999999"})
    cr_assert(parse_keyring(bad).error().code == Errc::invalid_argument, "%s", bad);
}

Test(consumer_keyring, is_open_to_others_only_until_it_is_closed) {
  const key_serial_t ring = outer();
  auto akm = ConsumerKeyring::open(ring);
  cr_assert(akm, "%s", akm ? "" : akm.error().message().c_str());
  const key_serial_t serial = akm->serial();
  cr_assert_eq(permissions(serial), "3f070005");
  const key_serial_t key = add_key("user", "akm:1:vpn", "x", 1, serial);
  cr_assert(akm->close(key));
  cr_assert_eq(permissions(serial), "3f030000");
  {
    const auto again = ConsumerKeyring::open(ring);
    cr_assert_eq(again->serial(), serial, "one for all keys");
    cr_assert_eq(permissions(serial), "3f070005");
  }
  cr_assert_eq(permissions(serial), "3f030000", "also when nothing came of it");
}

Test(consumer_keyring, another_key_in_the_place_of_ours_is_noticed) {
  const key_serial_t ring = outer();
  auto akm = ConsumerKeyring::open(ring);
  const key_serial_t ours = add_key("user", "akm:1:vpn", "x", 1, akm->serial());
  // Ours stays alive elsewhere; a link of the same type and description takes its place here.
  const key_serial_t aside = add_key("keyring", "aside", nullptr, 0, ring);
  cr_assert_eq(keyctl_link(ours, aside), 0);
  const key_serial_t other = add_key("keyring", "other", nullptr, 0, ring);
  const key_serial_t theirs = add_key("user", "akm:1:vpn", "y", 1, other);
  cr_assert_eq(keyctl_link(theirs, akm->serial()), 0);
  cr_assert(akm->close(ours).error().code == Errc::not_authentic);
}

Test(consumer_keyring, a_keyring_that_is_not_there) {
  const key_serial_t ring = outer();
  cr_assert_eq(keyctl_revoke(ring), 0);
  cr_assert(ConsumerKeyring::open(ring).error().code == Errc::not_found);
  const key_serial_t plain = add_key("user", "plain", "x", 1, KEY_SPEC_SESSION_KEYRING);
  cr_assert_not(ConsumerKeyring::open(plain).has_value());
}
