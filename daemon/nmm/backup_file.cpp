#include "daemon/nmm/backup_file.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "daemon/crypto/aead.h"
#include "daemon/crypto/hkdf.h"
#include "daemon/protocol/body_fields.h"

namespace akm::nmm {
namespace {

using protocol::CborReader;
using protocol::CborWriter;

constexpr std::string_view kMarker = "akm-nmm-backup";
constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kSaltBytes = 16;

// A key is made of its own salt and seals two parts, each under a nonce of its own.
struct Part {
  std::array<std::uint8_t, crypto::kNonceBytes> nonce{};
  std::span<const std::uint8_t> sealed;  // borrowed
};
struct Envelope {
  protocol::ScryptCost cost;
  bool drawn = false;
  std::array<std::uint8_t, kSaltBytes> salt{};
  Part secrets;
  Part records;
};

void write_part(CborWriter& writer, std::string_view name, const Part& part, bool with_sealed) {
  writer.text(name);
  writer.array(with_sealed ? 2 : 1);
  writer.bytes(part.nonce);
  if (with_sealed) writer.bytes(part.sealed);
}

/// Without what is sealed it is the associated data, so that no field of it can be changed.
std::vector<std::uint8_t> encode(const Envelope& envelope, bool with_sealed) {
  CborWriter writer;
  writer.map(8);
  writer.text("n");
  writer.unsigned_integer(envelope.cost.n);
  writer.text("p");
  writer.unsigned_integer(envelope.cost.p);
  writer.text("r");
  writer.unsigned_integer(envelope.cost.r);
  writer.text("salt");
  writer.bytes(envelope.salt);
  writer.text("drawn");
  writer.boolean(envelope.drawn);
  write_part(writer, "records", envelope.records, with_sealed);
  write_part(writer, "secrets", envelope.secrets, with_sealed);
  writer.text(kMarker);
  writer.unsigned_integer(kVersion);
  return writer.take();
}

/// Of the whole, which part it is: the two cannot change places.
std::vector<std::uint8_t> associated(const Envelope& envelope, std::string_view part) {
  std::vector<std::uint8_t> out = encode(envelope, false);
  out.insert(out.end(), part.begin(), part.end());
  return out;
}

template <std::size_t N>
void read_array(CborReader& reader, std::array<std::uint8_t, N>& out) {
  std::ranges::copy(reader.bytes(N, N), out.begin());
}

Part read_part(CborReader& reader) {
  Part out;
  if (reader.array(2) != 2) reader.refuse("a part of a backup");
  read_array(reader, out.nonce);
  out.sealed = reader.bytes(kBackupBytes, crypto::kTagBytes);
  return out;
}

/// Before the rest is looked at: a later version may have any other field.
Status check_version(std::span<const std::uint8_t> bytes) {
  CborReader reader(bytes);
  std::uint64_t version = 0;
  for (std::size_t pairs = reader.map(); pairs > 0 && reader.ok(); --pairs) {
    if (reader.key() == kMarker) {
      version = reader.unsigned_integer();
    } else {
      reader.skip();
    }
  }
  AKM_TRY(reader.finish());
  if (version == 0) return fail(Errc::malformed, "this is no backup of an NMM");
  if (version > kVersion)
    return fail(Errc::newer_version, "a backup of form " + std::to_string(version) +
                                         ", where this akm-nmmd knows " + std::to_string(kVersion));
  return {};
}

Result<Envelope> decode(std::span<const std::uint8_t> bytes) {
  if (bytes.size() > kBackupBytes) return fail(Errc::too_large, "a backup of an NMM");
  AKM_TRY(check_version(bytes));
  Envelope out;
  const auto read_cost = [](CborReader& reader, std::uint32_t& to) { to = protocol::read_u32(reader); };
  AKM_TRY(protocol::read_body(bytes, 0xff, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "n") return read_cost(reader, out.cost.n), 0x1;
    if (key == "p") return read_cost(reader, out.cost.p), 0x2;
    if (key == "r") return read_cost(reader, out.cost.r), 0x4;
    if (key == "salt") return read_array(reader, out.salt), 0x8;
    if (key == "drawn") return out.drawn = reader.boolean(), 0x10;
    if (key == "records") return out.records = read_part(reader), 0x20;
    if (key == "secrets") return out.secrets = read_part(reader), 0x40;
    if (key == kMarker) return reader.unsigned_integer(), 0x80;
    reader.refuse("backup: a field that this form does not have");  // it would not be authenticated
    return protocol::kUnknown;
  }));
  if (!protocol::is_bearable(out.cost)) return fail(Errc::malformed, "backup: cost of the recovery secret");
  return out;
}

Result<crypto::Aead> cipher_for(const Envelope& envelope, const SecretBuffer& secret) {
  AKM_ASSIGN(const SecretBuffer key, crypto::scrypt(secret.reveal(), envelope.salt, envelope.cost.n,
                                                    envelope.cost.r, envelope.cost.p, crypto::kKeyBytes));
  return crypto::Aead::create(crypto::AeadAlgorithm::aes_256_gcm, key.reveal().first<crypto::kKeyBytes>());
}

bool has_length(const SecretBuffer& secret) {
  return secret.size() >= kBackupSecretMinBytes && secret.size() <= kBackupSecretMaxBytes;
}

std::unexpected<Error> does_not_open() {
  return fail(Errc::not_authentic, "it is another recovery secret, or the backup was changed");
}

}  // namespace

Result<std::vector<std::uint8_t>> seal_backup(const BackupContent& content, const BackupSecret& secret,
                                              RandomSource& random, const protocol::ScryptCost& cost) {
  if (!has_length(secret.text)) return fail(Errc::invalid_argument, "a recovery secret has 16 to 256 bytes");
  Envelope envelope;
  envelope.cost = cost;
  envelope.drawn = secret.drawn;
  AKM_TRY(random.fill(envelope.salt));
  AKM_TRY(random.fill(envelope.secrets.nonce));
  AKM_TRY(random.fill(envelope.records.nonce));
  AKM_ASSIGN(crypto::Aead aead, cipher_for(envelope, secret.text));
  const SecretBuffer secrets = content.encode_secrets();
  const protocol::Body records = content.encode_records();
  std::vector<std::uint8_t> sealed_secrets(secrets.size() + crypto::kTagBytes);
  std::vector<std::uint8_t> sealed_records(records.size() + crypto::kTagBytes);
  AKM_TRY(
      aead.seal(envelope.secrets.nonce, associated(envelope, "secrets"), secrets.reveal(), sealed_secrets));
  AKM_TRY(aead.seal(envelope.records.nonce, associated(envelope, "records"), records, sealed_records));
  envelope.secrets.sealed = sealed_secrets;
  envelope.records.sealed = sealed_records;
  std::vector<std::uint8_t> out = encode(envelope, true);
  if (out.size() > kBackupBytes) return fail(Errc::too_large, "a backup of an NMM");
  return out;
}

Result<BackupContent> open_backup(std::span<const std::uint8_t> bytes, const SecretBuffer& typed) {
  AKM_ASSIGN(const Envelope envelope, decode(bytes));
  SecretBuffer secret = SecretBuffer::copy_of(typed.reveal());
  if (envelope.drawn) {
    const auto text = typed.reveal();
    auto symbols = protocol::parse_code({reinterpret_cast<const char*>(text.data()), text.size()});
    if (!symbols) return does_not_open();
    secret = std::move(*symbols);
  }
  if (!has_length(secret)) return does_not_open();  // without the time that scrypt takes
  AKM_ASSIGN(crypto::Aead aead, cipher_for(envelope, secret));
  SecretBuffer secrets(envelope.secrets.sealed.size() - crypto::kTagBytes);
  if (!aead.open(envelope.secrets.nonce, associated(envelope, "secrets"), envelope.secrets.sealed,
                 secrets.reveal_mutable()))
    return does_not_open();
  std::vector<std::uint8_t> records(envelope.records.sealed.size() - crypto::kTagBytes);
  if (!aead.open(envelope.records.nonce, associated(envelope, "records"), envelope.records.sealed, records))
    return does_not_open();
  return BackupContent::decode(secrets.reveal(), records);
}

}  // namespace akm::nmm
