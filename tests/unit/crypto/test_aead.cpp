#include "daemon/crypto/aead.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "daemon/base/hex.h"

namespace {

using akm::crypto::Aead;
using akm::crypto::AeadAlgorithm;
using Bytes = std::vector<std::uint8_t>;

Bytes from_hex(const char* text) {
  return *akm::parse_hex(text);
}

template <std::size_t N>
std::array<std::uint8_t, N> array_of(const Bytes& bytes) {
  std::array<std::uint8_t, N> out{};
  std::copy_n(bytes.begin(), N, out.begin());
  return out;
}

constexpr std::array<std::uint8_t, 12> kNonce{};
constexpr std::array<std::uint8_t, 32> kKey{};

Aead make(AeadAlgorithm algorithm) {
  auto aead = Aead::create(algorithm, kKey);
  cr_assert(aead.has_value());
  return std::move(*aead);
}

// GCM specification (McGrew, Viega), test case 14.
Test(aead, aes_256_gcm_known_answer) {
  Aead aead = make(AeadAlgorithm::aes_256_gcm);
  const Bytes plain(16);
  Bytes sealed(32);
  cr_assert(aead.seal(kNonce, {}, plain, sealed).has_value());
  cr_assert_eq(akm::hex(sealed), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

// RFC 8439, 2.8.2.
Test(aead, chacha20_poly1305_known_answer) {
  const auto key = array_of<32>(from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"));
  auto aead = Aead::create(AeadAlgorithm::chacha20_poly1305, key);
  cr_assert(aead.has_value());
  const std::string_view text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen "
      "would be it.";
  const Bytes plain(text.begin(), text.end());
  const auto nonce = array_of<12>(from_hex("070000004041424344454647"));
  Bytes sealed(plain.size() + 16);
  cr_assert(aead->seal(nonce, from_hex("50515253c0c1c2c3c4c5c6c7"), plain, sealed).has_value());
  cr_assert_eq(akm::hex(std::span(sealed).first(16)), "d31a8d34648e60db7b86afbc53ef7ec2");
  cr_assert_eq(akm::hex(std::span(sealed).last(16)), "1ae10b594f09e26a7e902ecbd0600691");
}

// One context serves both directions, in any order.
Test(aead, seal_and_open_alternate_in_one_context) {
  for (const auto algorithm : {AeadAlgorithm::aes_256_gcm, AeadAlgorithm::chacha20_poly1305}) {
    Aead aead = make(algorithm);
    for (std::uint8_t i = 0; i < 20; ++i) {
      auto nonce = kNonce;
      nonce[11] = i;
      const Bytes associated(i, 7);
      const Bytes plain(std::size_t{i} * 3, i);
      Bytes sealed(plain.size() + 16);
      cr_assert(aead.seal(nonce, associated, plain, sealed).has_value());
      Bytes opened(plain.size(), 0xee);
      cr_assert(aead.open(nonce, associated, sealed, opened).has_value());
      cr_assert(opened == plain);
    }
  }
}

Test(aead, works_in_place) {
  Aead aead = make(AeadAlgorithm::aes_256_gcm);
  Bytes buffer(10 + 16, 0x55);
  const std::span<std::uint8_t> whole(buffer);
  cr_assert(aead.seal(kNonce, {}, whole.first(10), whole).has_value());
  cr_assert(aead.open(kNonce, {}, whole, whole.first(10)).has_value());
  cr_assert(std::ranges::all_of(whole.first(10), [](std::uint8_t byte) { return byte == 0x55; }));
}

Test(aead, every_changed_bit_is_refused_and_the_output_wiped) {
  for (const auto algorithm : {AeadAlgorithm::aes_256_gcm, AeadAlgorithm::chacha20_poly1305}) {
    Aead aead = make(algorithm);
    const Bytes associated{1, 2, 3};
    const Bytes plain{9, 8, 7, 6};
    Bytes sealed(plain.size() + 16);
    cr_assert(aead.seal(kNonce, associated, plain, sealed).has_value());
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
      Bytes changed = sealed;
      changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
      Bytes opened(plain.size(), 0xee);
      const auto status = aead.open(kNonce, associated, changed, opened);
      cr_assert(!status.has_value());
      cr_assert_eq(status.error().code, akm::Errc::not_authentic);
      cr_assert(std::ranges::all_of(opened, [](std::uint8_t byte) { return byte == 0; }));
    }
    Bytes opened(plain.size());
    cr_assert(!aead.open(kNonce, Bytes{1, 2, 4}, sealed, opened).has_value(), "associated data counts");
    auto nonce = kNonce;
    nonce[0] = 1;
    cr_assert(!aead.open(nonce, associated, sealed, opened).has_value(), "the nonce counts");
    cr_assert(aead.open(kNonce, associated, sealed, opened).has_value(),
              "a refusal does not spoil the context");
  }
}

Test(aead, rekey_replaces_the_key) {
  for (const auto algorithm : {AeadAlgorithm::aes_256_gcm, AeadAlgorithm::chacha20_poly1305}) {
    Aead aead = make(algorithm);
    const Bytes plain(5, 1);
    Bytes under_first(21);
    cr_assert(aead.seal(kNonce, {}, plain, under_first).has_value());
    auto key = kKey;
    key[31] = 1;
    cr_assert(aead.rekey(key).has_value());
    Bytes opened(5);
    cr_assert(!aead.open(kNonce, {}, under_first, opened).has_value());
    Bytes under_second(21);
    cr_assert(aead.seal(kNonce, {}, plain, under_second).has_value());
    auto fresh = Aead::create(algorithm, key);
    cr_assert(fresh->open(kNonce, {}, under_second, opened).has_value());
    cr_assert(opened == plain);
  }
}

Test(aead, wrong_sizes_are_refused) {
  Aead aead = make(AeadAlgorithm::aes_256_gcm);
  Bytes room(15);
  cr_assert_eq(aead.seal(kNonce, {}, {}, room).error().code, akm::Errc::invalid_argument);
  cr_assert_eq(aead.open(kNonce, {}, room, {}).error().code, akm::Errc::truncated);
  const Bytes sealed(17);
  cr_assert_eq(aead.open(kNonce, {}, sealed, room).error().code, akm::Errc::invalid_argument);
}

}  // namespace
