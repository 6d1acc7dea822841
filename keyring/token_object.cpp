#include "keyring/token_object.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "daemon/base/cursor.h"
#include "daemon/crypto/hkdf.h"

namespace akm::keyring {
namespace {

constexpr std::uint32_t kMagic = 0x414B4D54;  // "AKMT"
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 6;
constexpr std::string_view kCounterLabel{"akm1 token starts\0", 18};

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

SecretBuffer TokenObject::encode() const {
  const bool with_key = form == Form::sealed;
  SecretBuffer out(kHeaderBytes + (with_key ? key_id.size() + nonce.size() : 0) + body.size());
  Writer writer(out.reveal_mutable());
  writer.u32(kMagic);
  writer.u8(kVersion);
  writer.u8(static_cast<std::uint8_t>(form));
  if (with_key) {
    writer.bytes(key_id);
    writer.bytes(nonce);
  }
  writer.bytes(body);
  return out;
}

Result<TokenObject> TokenObject::decode(std::span<const std::uint8_t> bytes) {
  Reader reader(bytes);
  TokenObject out;
  if (reader.u32() != kMagic) return fail(Errc::malformed, "not a bundle on a token");
  if (reader.u8() != kVersion) return fail(Errc::not_supported, "a bundle on a token of another version");
  const std::uint8_t form = reader.u8();
  if (form != static_cast<std::uint8_t>(Form::kept) && form != static_cast<std::uint8_t>(Form::sealed)) {
    return fail(Errc::malformed, "a bundle on a token: form");
  }
  out.form = static_cast<Form>(form);
  if (out.form == Form::sealed) {
    std::ranges::copy(reader.bytes(out.key_id.size()), out.key_id.begin());
    std::ranges::copy(reader.bytes(out.nonce.size()), out.nonce.begin());
  }
  out.body = reader.rest();
  const std::size_t least = out.form == Form::sealed ? kTokenTagBytes + 1 : 1;
  if (!reader.ok() || out.body.size() < least) return fail(Errc::truncated, "a bundle on a token");
  return out;
}

Result<std::vector<std::uint8_t>> encode_counter(std::uint32_t value, std::span<const std::uint8_t> key,
                                                 const TokenKeyId& id) {
  std::vector<std::uint8_t> out(kCounterBytes);
  Writer writer(out);
  writer.u32(value);
  std::array<std::uint8_t, 32> tag{};
  AKM_TRY(crypto::hmac(crypto::Hash::sha256, key, {bytes_of(kCounterLabel), id, writer.written()}, tag));
  writer.bytes(std::span(tag).first<kCounterTagBytes>());
  return out;
}

std::optional<std::uint32_t> decode_counter(std::span<const std::uint8_t> bytes,
                                            std::span<const std::uint8_t> key, const TokenKeyId& id) {
  if (bytes.size() != kCounterBytes) return {};
  Reader reader(bytes);
  const std::uint32_t value = reader.u32();
  const auto right = encode_counter(value, key, id);
  if (!right || !equal_in_constant_time(*right, bytes)) return {};
  return value;
}

}  // namespace akm::keyring
