#include "daemon/protocol/tpm_bundle.h"

#include <algorithm>

#include "daemon/crypto/hkdf.h"
#include "daemon/crypto/secret_observer.h"
#include "daemon/protocol/cbor.h"

namespace akm::protocol {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kPartBytes = 640;  // of what is for the TPM: an RSA ciphertext and a wrapped secret
constexpr std::array<std::uint8_t, 17> kLabel{'a', 'k', 'm', '1', ' ', 't', 'p', 'm', '2',
                                              '-', 'i', 'm', 'p', 'o', 'r', 't', 0};

void read_body(CborReader& reader, std::size_t max, Body& out) {
  const auto bytes = reader.bytes(max, 1);
  out.assign(bytes.begin(), bytes.end());
}
template <std::size_t N>
void read_array(CborReader& reader, std::array<std::uint8_t, N>& out) {
  std::ranges::copy(reader.bytes(N, N), out.begin());
}

// Bit of a known key, 0 of an unknown one.
unsigned read_field(CborReader& reader, std::string_view key, TpmEnvelope& out) {
  if (key == "ak") return read_array(reader, out.attestation_key), 1U << 0;
  if (key == "ek") return read_array(reader, out.endorsement_key), 1U << 1;
  if (key == "hw") return read_array(reader, out.hardware_value), 1U << 2;
  if (key == "sk") return read_array(reader, out.storage_key), 1U << 3;
  if (key == "kdf") {
    if (reader.text(16) != kTpmImport) reader.refuse("bundle: another way of sealing");
    return 1U << 4;
  }
  if (key == "seed") return read_body(reader, kPartBytes, out.import.seed), 1U << 5;
  if (key == "nonce") return read_array(reader, out.nonce), 1U << 6;
  if (key == "object") return read_body(reader, kTpmPublicBytes, out.import.object), 1U << 7;
  if (key == "sealed") return read_body(reader, kBundleBytes, out.sealed), 1U << 8;
  if (key == "duplicate") return read_body(reader, kPartBytes, out.import.duplicate), 1U << 9;
  if (key == "akm-bundle") {
    if (reader.unsigned_integer() != kVersion) reader.refuse("bundle: another version");
    return 1U << 10;
  }
  if (key == "ak_credential") return read_body(reader, kPartBytes, out.attestation_credential), 1U << 11;
  if (key == "sk_credential") return read_body(reader, kPartBytes, out.storage_credential), 1U << 12;
  return 0;
}
constexpr unsigned kFields = (1U << 13) - 1;
constexpr unsigned kUnknown = 1U << 13;

Result<crypto::Aead> cipher_of(const TpmEnvelope& envelope, const TpmSecrets& secrets) {
  AKM_ASSIGN(const SecretBuffer prk,
             crypto::hkdf_extract(crypto::Hash::sha256, envelope.hardware_value,
                                  {secrets.imported.reveal(), secrets.of_storage_key.reveal(),
                                   secrets.of_attestation_key.reveal()}));
  SecretBytes<crypto::kKeyBytes> key;
  AKM_TRY(crypto::hkdf_expand(crypto::Hash::sha256, prk.reveal(), {kLabel}, key.reveal_mutable()));
  crypto::observe_secret("key of a TPM bundle", key.reveal());
  return crypto::Aead::create(crypto::AeadAlgorithm::aes_256_gcm, key.reveal());
}

Status draw(TpmSecrets& secrets, RandomSource& random) {
  for (TpmSecret* secret : {&secrets.imported, &secrets.of_storage_key, &secrets.of_attestation_key}) {
    AKM_TRY(random.fill(secret->reveal_mutable()));
    crypto::observe_secret("secret for a TPM", secret->reveal());
  }
  return {};
}

}  // namespace

Body TpmEnvelope::encode(bool with_sealed) const {
  CborWriter writer;
  const auto field = [&writer](std::string_view key, std::span<const std::uint8_t> value) {
    writer.text(key);
    writer.bytes(value);
  };
  writer.map(with_sealed ? 13 : 12);
  field("ak", attestation_key);
  field("ek", endorsement_key);
  field("hw", hardware_value);
  field("sk", storage_key);
  writer.text("kdf");
  writer.text(kTpmImport);
  field("seed", import.seed);
  field("nonce", nonce);
  field("object", import.object);
  if (with_sealed) field("sealed", sealed);
  field("duplicate", import.duplicate);
  writer.text("akm-bundle");
  writer.unsigned_integer(kVersion);
  field("ak_credential", attestation_credential);
  field("sk_credential", storage_credential);
  return writer.take();
}

Result<TpmEnvelope> TpmEnvelope::decode(std::span<const std::uint8_t> bytes) {
  AKM_ASSIGN(const std::string kdf, bundle_kdf(bytes));
  if (kdf != kTpmImport) return fail(Errc::not_supported, "this bundle is not for a TPM");
  CborReader reader(bytes);
  TpmEnvelope out;
  unsigned seen = 0;
  for (std::size_t pairs = reader.map(16); pairs > 0 && reader.ok(); --pairs) {
    const unsigned bit = read_field(reader, reader.key(), out);
    if (bit == 0) reader.skip();
    seen |= bit == 0 ? kUnknown : bit;
  }
  AKM_TRY(reader.finish());
  if (seen != kFields || out.sealed.size() < crypto::kTagBytes)
    return fail(Errc::malformed, "bundle: fields are missing or too many");
  return out;
}

Result<std::vector<std::uint8_t>> seal_tpm_bundle(const BundleContent& content, const NodeIdentity& identity,
                                                  const CheckedIdentity& checked, RandomSource& random) {
  TpmSecrets secrets;
  AKM_TRY(draw(secrets, random));
  TpmEnvelope out;
  out.endorsement_key = checked.endorsement_key.name;
  out.storage_key = checked.storage_key.name;
  out.attestation_key = checked.attestation_key;
  out.hardware_value = identity.hardware_value;
  AKM_TRY(random.fill(out.nonce));
  AKM_ASSIGN(out.import, make_duplicate(checked.storage_key, secrets.imported, random));
  AKM_ASSIGN(out.storage_credential,
             make_credential(checked.endorsement_key, out.storage_key, secrets.of_storage_key, random));
  AKM_ASSIGN(out.attestation_credential, make_credential(checked.endorsement_key, out.attestation_key,
                                                         secrets.of_attestation_key, random));
  AKM_ASSIGN(crypto::Aead aead, cipher_of(out, secrets));
  const SecretBuffer plain = content.encode();
  out.sealed.resize(plain.size() + crypto::kTagBytes);
  AKM_TRY(aead.seal(out.nonce, out.encode(false), plain.reveal(), out.sealed));
  std::vector<std::uint8_t> bytes = out.encode();
  if (bytes.size() > kBundleBytes) return fail(Errc::too_large, "bundle");
  return bytes;
}

Result<BundleContent> open_tpm_bundle(const TpmEnvelope& envelope, const TpmSecrets& secrets) {
  AKM_ASSIGN(crypto::Aead aead, cipher_of(envelope, secrets));
  SecretBuffer plain(envelope.sealed.size() - crypto::kTagBytes);
  if (!aead.open(envelope.nonce, envelope.encode(false), envelope.sealed, plain.reveal_mutable()))
    return fail(Errc::not_authentic, "the bundle was changed, or is for another TPM");
  return BundleContent::decode(plain.reveal());
}

}  // namespace akm::protocol
