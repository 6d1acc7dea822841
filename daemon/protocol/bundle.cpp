#include "daemon/protocol/bundle.h"

#include <algorithm>
#include <array>
#include <bit>

#include "daemon/crypto/aead.h"
#include "daemon/crypto/hkdf.h"
#include "daemon/crypto/secret_observer.h"
#include "daemon/protocol/asr_codec.h"
#include "daemon/protocol/cbor.h"
#include "daemon/protocol/limits.h"
#include "daemon/protocol/suite.h"

namespace akm::protocol {
namespace {

constexpr std::uint64_t kBundleVersion = 1;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kKdfBytes = 16;
constexpr std::string_view kScrypt = "scrypt";
constexpr std::string_view kNone = "none";
constexpr std::string_view kToken = "pkcs11";
// What a file may ask of this machine: below, a code could be guessed too cheaply; above, 256 MiB and
// seconds.
constexpr std::uint64_t kLeastCost = std::uint64_t{1} << 14;
constexpr std::uint64_t kMostCost = std::uint64_t{1} << 18;
constexpr std::uint32_t kScryptR = 8;
constexpr std::uint32_t kScryptP = 1;

// The outer map (section 7). `sealed` is borrowed; it is the plain content where kdf is "none".
struct Envelope {
  ScryptCost cost;
  std::string kdf;
  std::array<std::uint8_t, kSaltBytes> salt{};
  std::array<std::uint8_t, crypto::kNonceBytes> nonce{};
  std::span<const std::uint8_t> sealed;
};

// With `sealed` left out it is the associated data.
std::vector<std::uint8_t> encode_scrypt_envelope(const Envelope& envelope, bool with_sealed) {
  CborWriter writer;
  writer.map(with_sealed ? 8 : 7);
  writer.text("n");
  writer.unsigned_integer(envelope.cost.n);
  writer.text("p");
  writer.unsigned_integer(envelope.cost.p);
  writer.text("r");
  writer.unsigned_integer(envelope.cost.r);
  writer.text("kdf");
  writer.text(kScrypt);
  writer.text("salt");
  writer.bytes(envelope.salt);
  writer.text("nonce");
  writer.bytes(envelope.nonce);
  if (with_sealed) {
    writer.text("sealed");
    writer.bytes(envelope.sealed);
  }
  writer.text("akm-bundle");
  writer.unsigned_integer(kBundleVersion);
  return writer.take();
}

template <std::size_t N>
void read_array(CborReader& reader, std::array<std::uint8_t, N>& out) {
  std::ranges::copy(reader.bytes(N, N), out.begin());
}

// Bit of a known key, 0 of an unknown one: both kinds of bundle are closed, since whatever stood there and
// were skipped would not be authenticated.
unsigned read_envelope_field(CborReader& reader, std::string_view key, Envelope& out) {
  if (key == "n") return out.cost.n = static_cast<std::uint32_t>(reader.unsigned_integer(UINT32_MAX)), 1;
  if (key == "p") return out.cost.p = static_cast<std::uint32_t>(reader.unsigned_integer(UINT32_MAX)), 2;
  if (key == "r") return out.cost.r = static_cast<std::uint32_t>(reader.unsigned_integer(UINT32_MAX)), 4;
  if (key == "kdf") return out.kdf = reader.text(kKdfBytes), 8;
  if (key == "salt") return read_array(reader, out.salt), 16;
  if (key == "nonce") return read_array(reader, out.nonce), 32;
  if (key == "akm-bundle") {
    if (reader.unsigned_integer() != kBundleVersion) reader.refuse("bundle: another version");
    return 64;
  }
  const bool sealed = key == "sealed";
  if (!sealed && key != "content") return 0;
  out.sealed = reader.bytes(kBundleBytes);
  return sealed ? 128 : 256;
}
constexpr unsigned kScryptFields = 1 + 2 + 4 + 8 + 16 + 32 + 64 + 128;
constexpr unsigned kNoneFields = 8 + 64 + 256;

Result<Envelope> decode_envelope(std::span<const std::uint8_t> bytes, std::string_view kdf, unsigned fields) {
  if (bytes.size() > kBundleBytes) return fail(Errc::too_large, "bundle");
  CborReader reader(bytes);
  Envelope out;
  unsigned seen = 0;
  for (std::size_t pairs = reader.map(16); pairs > 0 && reader.ok(); --pairs) {
    const unsigned bit = read_envelope_field(reader, reader.key(), out);
    if (bit == 0) {
      reader.skip();
      seen |= 512;
    }
    seen |= bit;
  }
  AKM_TRY(reader.finish());
  if (out.kdf != kdf) {
    return fail(Errc::not_supported, out.kdf == kNone
                                         ? "this bundle is not sealed; it may only come over D-Bus"
                                     : out.kdf == kScrypt       ? "this bundle needs its one-time code"
                                     : out.kdf == kToken        ? "this bundle may only come from a token"
                                     : out.kdf == "tpm2-import" ? "this bundle is for the TPM of a node"
                                                                : "unknown way of sealing");
  }
  if (seen != fields) return fail(Errc::malformed, "bundle: fields are missing or too many");
  return out;
}

Result<crypto::Aead> cipher_for(const Envelope& envelope, const SecretBuffer& code) {
  if (code.size() != kCodeSymbols) return fail(Errc::invalid_argument, "one-time code");
  AKM_ASSIGN(const SecretBuffer key, crypto::scrypt(code.reveal(), envelope.salt, envelope.cost.n,
                                                    envelope.cost.r, envelope.cost.p, crypto::kKeyBytes));
  return crypto::Aead::create(crypto::AeadAlgorithm::aes_256_gcm, key.reveal().first<crypto::kKeyBytes>());
}

constexpr unsigned kContentFields = (1U << 11) - 1;
unsigned read_content_field(CborReader& reader, std::string_view key, BundleContent& out) {
  ProvisioningIdentity& identity = out.identity;
  if (key == "nmm") return identity.nmm_name = reader.text(limits::kNameBytes), 1U << 0;
  if (key == "mask") return read_array(reader, out.mask), 1U << 1;
  if (key == "node") return identity.node_name = reader.text(limits::kNameBytes), 1U << 2;
  if (key == "suite") {
    const auto suite = parse_suite(reader.unsigned_integer());
    if (!suite) reader.refuse("bundle: unknown suite");
    identity.suite = suite.value_or(Suite::hkdf_sha256_aes256gcm);
    return 1U << 3;
  }
  if (key == "asr_id") return identity.asr_id = reader.unsigned_integer(), 1U << 4;
  if (key == "nmm_id") return identity.nmm_id = reader.unsigned_integer(), 1U << 5;
  if (key == "policy") return identity.policy = read_policy(reader), 1U << 6;
  if (key == "serial")
    return identity.serial = static_cast<std::uint32_t>(reader.unsigned_integer(UINT32_MAX)), 1U << 7;
  if (key == "use_id") return read_array(reader, out.use_id), 1U << 8;
  if (key == "node_id") return identity.node_id = reader.unsigned_integer(), 1U << 9;
  if (key == "endpoints") {
    for (std::size_t left = reader.array(limits::kEndpointsPerMember); left > 0 && reader.ok(); --left) {
      identity.nmm_endpoints.emplace_back(reader.text(limits::kEndpointTextBytes));
    }
    return 1U << 10;
  }
  if (key == "check") return read_array(reader, out.check.emplace()), 0;
  if (key == "unbound") return out.unbound = reader.boolean(), 0;
  reader.skip();
  return 0;
}

}  // namespace

bool is_bearable(const ScryptCost& cost) {
  return cost.n >= kLeastCost && cost.n <= kMostCost && std::has_single_bit(cost.n) && cost.r == kScryptR &&
         cost.p == kScryptP;
}

SecretBuffer BundleContent::encode() const {
  CborWriter writer(CborWriter::Memory::secret);
  writer.map(std::size_t{11} + (unbound ? 1 : 0) + (check ? 1 : 0));
  writer.text("nmm");
  writer.text(identity.nmm_name);
  writer.text("mask");
  writer.bytes(mask);
  writer.text("node");
  writer.text(identity.node_name);
  if (check) {
    writer.text("check");
    writer.bytes(*check);
  }
  writer.text("suite");
  writer.unsigned_integer(static_cast<std::uint64_t>(identity.suite));
  writer.text("asr_id");
  writer.unsigned_integer(identity.asr_id);
  writer.text("nmm_id");
  writer.unsigned_integer(identity.nmm_id);
  writer.text("policy");
  write_policy(writer, identity.policy);
  writer.text("serial");
  writer.unsigned_integer(identity.serial);
  writer.text("use_id");
  writer.bytes(use_id);
  writer.text("node_id");
  writer.unsigned_integer(identity.node_id);
  if (unbound) {
    writer.text("unbound");
    writer.boolean(true);
  }
  writer.text("endpoints");
  writer.array(identity.nmm_endpoints.size());
  for (const std::string& endpoint : identity.nmm_endpoints) writer.text(endpoint);
  return writer.take_secret();
}

Result<BundleContent> BundleContent::decode(std::span<const std::uint8_t> bytes) {
  CborReader reader(bytes);
  BundleContent out;
  unsigned seen = 0;
  for (std::size_t pairs = reader.map(); pairs > 0 && reader.ok(); --pairs) {
    seen |= read_content_field(reader, reader.key(), out);
  }
  AKM_TRY(reader.finish());
  if (seen != kContentFields) return fail(Errc::malformed, "bundle: a field is missing");
  // The ASR that it will become says whether ids, names and endpoints are valid.
  if (const auto asr = make_provisioning_asr(out.identity, {}); !asr)
    return fail(Errc::malformed, asr.error().detail);
  return out;
}

Result<std::string> bundle_kdf(std::span<const std::uint8_t> bytes) {
  if (bytes.size() > kBundleBytes) return fail(Errc::too_large, "bundle");
  CborReader reader(bytes);
  std::string kdf;
  for (std::size_t pairs = reader.map(16); pairs > 0 && reader.ok(); --pairs) {
    if (reader.key() == "kdf") {
      kdf = reader.text(kKdfBytes, 1);
    } else {
      reader.skip();
    }
  }
  AKM_TRY(reader.finish());
  if (kdf.empty()) return fail(Errc::malformed, "this is no bundle");
  return kdf;
}

Result<std::vector<std::uint8_t>> seal_bundle(const BundleContent& content, const SecretBuffer& code,
                                              RandomSource& random, const ScryptCost& cost) {
  Envelope envelope;
  envelope.cost = cost;
  AKM_TRY(random.fill(envelope.salt));
  AKM_TRY(random.fill(envelope.nonce));
  AKM_ASSIGN(crypto::Aead aead, cipher_for(envelope, code));
  const SecretBuffer plain = content.encode();
  std::vector<std::uint8_t> sealed(plain.size() + crypto::kTagBytes);
  AKM_TRY(aead.seal(envelope.nonce, encode_scrypt_envelope(envelope, false), plain.reveal(), sealed));
  envelope.sealed = sealed;
  std::vector<std::uint8_t> out = encode_scrypt_envelope(envelope, true);
  if (out.size() > kBundleBytes) return fail(Errc::too_large, "bundle");
  return out;
}

Result<BundleContent> open_bundle(std::span<const std::uint8_t> bytes, const SecretBuffer& code) {
  AKM_ASSIGN(const Envelope envelope, decode_envelope(bytes, kScrypt, kScryptFields));
  if (!is_bearable(envelope.cost) || envelope.sealed.size() < crypto::kTagBytes) {
    return fail(Errc::malformed, "bundle: cost of the one-time code");
  }
  AKM_ASSIGN(crypto::Aead aead, cipher_for(envelope, code));
  SecretBuffer plain(envelope.sealed.size() - crypto::kTagBytes);
  const auto associated = encode_scrypt_envelope(envelope, false);
  if (!aead.open(envelope.nonce, associated, envelope.sealed, plain.reveal_mutable()))
    return fail(Errc::wrong_code);
  return BundleContent::decode(plain.reveal());
}

namespace {

// What is not sealed by this map itself but by the way that it comes.
Result<SecretBuffer> encode_plain(const BundleContent& content, std::string_view kdf) {
  const SecretBuffer plain = content.encode();
  CborWriter writer(CborWriter::Memory::secret);
  writer.map(3);
  writer.text("kdf");
  writer.text(kdf);
  writer.text("content");
  writer.bytes(plain.reveal());
  writer.text("akm-bundle");
  writer.unsigned_integer(kBundleVersion);
  if (writer.size() > kBundleBytes) return fail(Errc::too_large, "bundle");
  return writer.take_secret();
}

Result<BundleContent> decode_plain(std::span<const std::uint8_t> bytes, std::string_view kdf) {
  AKM_ASSIGN(const Envelope envelope, decode_envelope(bytes, kdf, kNoneFields));
  return BundleContent::decode(envelope.sealed);
}

}  // namespace

Result<SecretBuffer> encode_direct_bundle(const BundleContent& content) {
  return encode_plain(content, kNone);
}

Result<BundleContent> decode_direct_bundle(std::span<const std::uint8_t> bytes) {
  return decode_plain(bytes, kNone);
}

Result<SecretBuffer> encode_token_bundle(const BundleContent& content) {
  return encode_plain(content, kToken);
}

Result<BundleContent> decode_token_bundle(std::span<const std::uint8_t> bytes) {
  return decode_plain(bytes, kToken);
}

}  // namespace akm::protocol
