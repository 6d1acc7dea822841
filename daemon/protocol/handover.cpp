#include "daemon/protocol/handover.h"

#include <algorithm>
#include <array>

#include "daemon/base/cursor.h"
#include "daemon/crypto/aead.h"
#include "daemon/crypto/digest.h"
#include "daemon/crypto/hkdf.h"
#include "daemon/crypto/secret_observer.h"
#include "daemon/protocol/cbor.h"
#include "daemon/protocol/one_time_code.h"

namespace akm::protocol {
namespace {

constexpr std::uint64_t kBundleVersion = 1;
constexpr std::string_view kKdf = "x25519";
constexpr std::string_view kKeyLabel("akm1 handover\0", 14);
constexpr std::string_view kFingerprintLabel("akm1 fingerprint\0", 17);

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// The outer map; without `sealed` it is the associated data.
std::vector<std::uint8_t> encode_envelope(const crypto::X25519PublicKey& key,
                                          std::span<const std::uint8_t> sealed) {
  CborWriter writer;
  writer.map(sealed.empty() ? 3 : 4);
  writer.text("kdf");
  writer.text(kKdf);
  writer.text("key");
  writer.bytes(key);
  if (!sealed.empty()) {
    writer.text("sealed");
    writer.bytes(sealed);
  }
  writer.text("akm-bundle");
  writer.unsigned_integer(kBundleVersion);
  return writer.take();
}

struct Envelope {
  std::string kdf;
  crypto::X25519PublicKey key{};
  std::span<const std::uint8_t> sealed;
};

Result<Envelope> decode_envelope(std::span<const std::uint8_t> bytes) {
  if (bytes.size() > kBundleBytes) return fail(Errc::too_large, "bundle");
  CborReader reader(bytes);
  Envelope out;
  unsigned seen = 0;
  for (std::size_t pairs = reader.map(16); pairs > 0 && reader.ok(); --pairs) {
    const std::string_view key = reader.key();
    if (key == "kdf") {
      out.kdf = reader.text(16);
      seen |= 1;
    } else if (key == "key") {
      std::ranges::copy(reader.bytes(out.key.size(), out.key.size()), out.key.begin());
      seen |= 2;
    } else if (key == "sealed") {
      out.sealed = reader.bytes(kBundleBytes, crypto::kTagBytes);
      seen |= 4;
    } else if (key == "akm-bundle") {
      if (reader.unsigned_integer() != kBundleVersion) reader.refuse("bundle: another version");
      seen |= 8;
    } else {
      reader.skip();  // the form is closed: what is skipped would not be authenticated
      seen |= 16;
    }
  }
  AKM_TRY(reader.finish());
  if (out.kdf != kKdf) return fail(Errc::not_supported, "this bundle is not sealed to a node's key");
  if (seen != 15) return fail(Errc::malformed, "bundle: fields are missing or too many");
  return out;
}

/// Key and nonce, both for one use.
struct Once {
  SecretBytes<crypto::kKeyBytes + crypto::kNonceBytes> both;
  [[nodiscard]] std::span<const std::uint8_t, crypto::kKeyBytes> key() const {
    return both.reveal().first<crypto::kKeyBytes>();
  }
  [[nodiscard]] std::span<const std::uint8_t, crypto::kNonceBytes> nonce() const {
    return both.reveal().last<crypto::kNonceBytes>();
  }
};

Result<Once> derive(const SecretBytes<crypto::kX25519Bytes>& shared, const crypto::X25519PublicKey& nmm_key,
                    const crypto::X25519PublicKey& node_key, const HardwareValue& hardware) {
  AKM_ASSIGN(const SecretBuffer prk, crypto::hkdf_extract(crypto::Hash::sha256, hardware, {shared.reveal()}));
  Once out;
  AKM_TRY(crypto::hkdf_expand(crypto::Hash::sha256, prk.reveal(), {bytes_of(kKeyLabel), nmm_key, node_key},
                              out.both.reveal_mutable()));
  crypto::observe_secret("handover key", out.key());
  return out;
}

}  // namespace

Result<std::string> handover_fingerprint(const crypto::X25519PublicKey& key, const HardwareValue& hardware,
                                         NodeId nmm_id) {
  std::array<std::uint8_t, sizeof(NodeId)> id{};
  Writer(id).u64(nmm_id);
  const std::span<const std::uint8_t> named = std::span(id).first(nmm_id == 0 ? 0 : id.size());
  const crypto::Sha256Digest digest = crypto::sha256({bytes_of(kFingerprintLabel), key, hardware, named});
  AKM_ASSIGN(const SecretBuffer shown, in_groups(encode_symbols(digest)));
  const auto text = shown.reveal();
  return std::string(text.begin(), text.end());
}

bool same_fingerprint(std::string_view shown, std::string_view typed) {
  const auto first = parse_code(shown);
  const auto second = parse_code(typed);
  return first && second && equal_in_constant_time(first->reveal(), second->reveal());
}

Result<std::vector<std::uint8_t>> seal_handover(const BundleContent& content,
                                                const crypto::X25519PublicKey& node_key,
                                                const HardwareValue& hardware, RandomSource& random) {
  crypto::X25519PrivateKey own;
  AKM_TRY(random.fill(own.reveal_mutable()));
  AKM_ASSIGN(const crypto::X25519PublicKey own_public, crypto::x25519_public(own));
  AKM_ASSIGN(const auto shared, crypto::x25519(own, node_key));
  AKM_ASSIGN(const Once once, derive(shared, own_public, node_key, hardware));
  AKM_ASSIGN(crypto::Aead aead, crypto::Aead::create(crypto::AeadAlgorithm::aes_256_gcm, once.key()));
  const SecretBuffer plain = content.encode();
  std::vector<std::uint8_t> sealed(plain.size() + crypto::kTagBytes);
  AKM_TRY(aead.seal(once.nonce(), encode_envelope(own_public, {}), plain.reveal(), sealed));
  std::vector<std::uint8_t> out = encode_envelope(own_public, sealed);
  if (out.size() > kBundleBytes) return fail(Errc::too_large, "bundle");
  return out;
}

Result<BundleContent> open_handover(std::span<const std::uint8_t> bytes, const crypto::X25519PrivateKey& key,
                                    const HardwareValue& hardware) {
  AKM_ASSIGN(const Envelope envelope, decode_envelope(bytes));
  AKM_ASSIGN(const crypto::X25519PublicKey own, crypto::x25519_public(key));
  AKM_ASSIGN(const auto shared, crypto::x25519(key, envelope.key));
  AKM_ASSIGN(const Once once, derive(shared, envelope.key, own, hardware));
  AKM_ASSIGN(crypto::Aead aead, crypto::Aead::create(crypto::AeadAlgorithm::aes_256_gcm, once.key()));
  SecretBuffer plain(envelope.sealed.size() - crypto::kTagBytes);
  AKM_TRY(
      aead.open(once.nonce(), encode_envelope(envelope.key, {}), envelope.sealed, plain.reveal_mutable()));
  return BundleContent::decode(plain.reveal());
}

}  // namespace akm::protocol
