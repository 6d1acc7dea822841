#include "daemon/protocol/node_identity.h"

#include <algorithm>
#include <array>

#include "daemon/base/hex.h"
#include "daemon/crypto/digest.h"
#include "daemon/protocol/cbor.h"

namespace akm::protocol {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kSources = 5;
constexpr std::size_t kSourceNameBytes = 32;
constexpr std::size_t kSourceValueBytes = 256;
constexpr std::size_t kSignatureBytes = 512;
constexpr std::array<std::uint8_t, 14> kLabel{'a', 'k', 'm', '1', ' ', 'i', 'd',
                                              'e', 'n', 't', 'i', 't', 'y', 0};

// The map; without quote and signature it is what the quote is over.
Body encode_fields(const NodeIdentity& identity, bool with_quote) {
  const bool certified = !identity.endorsement_certificate.empty();
  CborWriter writer;
  writer.map(6U + (certified ? 1U : 0U) + (with_quote ? 2U : 0U));
  writer.text("ak");
  writer.bytes(identity.attestation_key);
  writer.text("ek");
  writer.bytes(identity.endorsement_key);
  writer.text("hw");
  writer.bytes(identity.hardware_value);
  writer.text("sk");
  writer.bytes(identity.storage_key);
  if (with_quote) {
    writer.text("quote");
    writer.bytes(identity.quote);
  }
  if (certified) {
    writer.text("ek_cert");
    writer.bytes(identity.endorsement_certificate);
  }
  writer.text("sources");
  writer.array(identity.sources.size());
  for (const HardwareSource& source : identity.sources) {
    writer.array(2);
    writer.text(source.name);
    writer.text(source.value);
  }
  if (with_quote) {
    writer.text("signature");
    writer.bytes(identity.signature);
  }
  writer.text("akm-identity");
  writer.unsigned_integer(kVersion);
  return writer.take();
}

void read_body(CborReader& reader, std::size_t max, Body& out) {
  const auto bytes = reader.bytes(max, 1);
  out.assign(bytes.begin(), bytes.end());
}

void read_sources(CborReader& reader, std::vector<HardwareSource>& out) {
  for (std::size_t left = reader.array(kSources); left > 0 && reader.ok(); --left) {
    if (reader.array(2) != 2) reader.refuse("identity: a source has a name and a value");
    HardwareSource source;
    source.name = reader.text(kSourceNameBytes, 1);
    source.value = reader.text(kSourceValueBytes, 1);
    out.push_back(std::move(source));
  }
}

// Bit of a known key, 0 of an unknown one.
unsigned read_field(CborReader& reader, std::string_view key, NodeIdentity& out) {
  if (key == "ak") return read_body(reader, kTpmPublicBytes, out.attestation_key), 1;
  if (key == "ek") return read_body(reader, kTpmPublicBytes, out.endorsement_key), 2;
  if (key == "hw") {
    std::ranges::copy(reader.bytes(out.hardware_value.size(), out.hardware_value.size()),
                      out.hardware_value.begin());
    return 4;
  }
  if (key == "sk") return read_body(reader, kTpmPublicBytes, out.storage_key), 8;
  if (key == "quote") return read_body(reader, kQuoteBytes, out.quote), 16;
  if (key == "sources") return read_sources(reader, out.sources), 32;
  if (key == "signature") return read_body(reader, kSignatureBytes, out.signature), 64;
  if (key == "ek_cert")
    return read_body(reader, kEndorsementCertificateBytes, out.endorsement_certificate), 256;
  if (key != "akm-identity") return 0;
  if (reader.unsigned_integer() != kVersion) reader.refuse("identity: another version");
  return 128;
}
constexpr unsigned kFields = 255;
constexpr unsigned kCertificate = 256;
constexpr unsigned kUnknown = 512;

/// An RSA endorsement key may stand beside the ECC one whose name the sources have.
Status check_sources(const NodeIdentity& identity, const TpmStorageKey& endorsement_key) {
  AKM_ASSIGN(const HardwareValue value, hardware_value(identity.sources));
  if (value != identity.hardware_value)
    return fail(Errc::hardware_mismatch, "the identity's hardware value is not that of its sources");
  const bool ecc = endorsement_key.key.modulus.empty();
  for (const HardwareSource& source : identity.sources) {
    if (ecc && source.name == "tpm-ek-name" && source.value != hex(endorsement_key.name))
      return fail(Errc::hardware_mismatch, "the identity's sources name another endorsement key");
  }
  return {};
}

}  // namespace

Digest32 NodeIdentity::digest() const {
  return crypto::sha256({kLabel, encode_fields(*this, false)});
}

Body NodeIdentity::encode() const {
  return encode_fields(*this, true);
}

Result<NodeIdentity> NodeIdentity::decode(BodyView bytes) {
  if (bytes.size() > kNodeIdentityBytes) return fail(Errc::too_large, "identity of a node");
  CborReader reader(bytes);
  NodeIdentity out;
  unsigned seen = 0;
  for (std::size_t pairs = reader.map(16); pairs > 0 && reader.ok(); --pairs) {
    const unsigned bit = read_field(reader, reader.key(), out);
    if (bit == 0) reader.skip();
    seen |= bit == 0 ? kUnknown : bit;
  }
  AKM_TRY(reader.finish());
  if ((seen & ~kCertificate) != kFields)
    return fail(Errc::malformed, "identity: fields are missing or too many");
  return out;
}

Result<CheckedIdentity> check_identity(const NodeIdentity& identity) {
  CheckedIdentity out;
  AKM_ASSIGN(out.endorsement_key, parse_endorsement_key(identity.endorsement_key));
  AKM_ASSIGN(out.storage_key, parse_storage_key(identity.storage_key));
  AKM_ASSIGN(out.attestation_key, tpm_name(identity.attestation_key));
  // The attestation key's own form is checked with what it has signed.
  AKM_ASSIGN(out.state, verify_quote(identity.attestation_key, identity.quote, identity.signature,
                                     identity.digest(), kAttestedPcrs));
  AKM_TRY(check_sources(identity, out.endorsement_key));
  return out;
}

}  // namespace akm::protocol
