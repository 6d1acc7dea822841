#include "daemon/crypto/x25519.h"

#include <criterion/criterion.h>

#include <algorithm>

#include "daemon/base/hex.h"

using namespace akm;
using namespace akm::crypto;

namespace {

std::array<std::uint8_t, kX25519Bytes> bytes(std::string_view text) {
  const auto raw = *parse_hex(text);
  std::array<std::uint8_t, kX25519Bytes> out{};
  std::ranges::copy(raw, out.begin());
  return out;
}

X25519PrivateKey alice() {
  return X25519PrivateKey::copy_of(bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
}

const char* const kAlicePublic = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
const char* const kBobPublic = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
const char* const kShared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";

}  // namespace

// RFC 7748, section 6.1.
Test(x25519, gives_what_the_rfc_gives) {
  cr_assert_eq(hex(*x25519_public(alice())), kAlicePublic);
  cr_assert_eq(hex(x25519(alice(), bytes(kBobPublic))->reveal()), kShared);
}

Test(x25519, a_point_of_small_order_is_refused) {
  const auto shared = x25519(alice(), X25519PublicKey{});
  cr_assert(!shared.has_value());
  cr_assert_eq(shared.error().code, Errc::not_authentic);
}
