#include "keyring/sealed_blob.h"

#include <algorithm>
#include <array>
#include <bit>

#include "daemon/base/cursor.h"
#include "daemon/crypto/digest.h"

namespace akm::keyring {
namespace {

constexpr std::uint32_t kMagic = 0x414B4D53;  // "AKMS"
constexpr std::uint8_t kVersionPlain = 1;
constexpr std::uint8_t kVersion = 2;
constexpr std::uint8_t kKindTpm = 1;
constexpr std::uint8_t kKindSoftware = 2;
constexpr std::uint8_t kKindToken = 3;
constexpr std::size_t kChecksumBytes = 32;
constexpr std::uint32_t kAllPcrs = (std::uint32_t{1} << kPcrCount) - 1;

bool values_fit(const SealedBlob& blob) {
  const auto bytes = static_cast<std::size_t>(std::popcount(blob.pcr_mask)) * kPcrValueBytes;
  return (blob.pcr_mask & ~kAllPcrs) == 0 && blob.pcr_values.size() == bytes &&
         (blob.policy_key.empty() || blob.pcr_mask != 0) &&
         (blob.authorised.empty() || !blob.policy_key.empty()) && blob.authorised.size() <= kAuthorisedMax &&
         std::ranges::all_of(blob.authorised, [&](const AuthorisedPcrs& one) {
           return one.values.size() == bytes && one.signature.size() <= kSignatureMaxBytes;
         });
}

std::uint8_t version_of(const SealedBlob& blob) {
  return blob.endorsement.empty() && blob.policy_key.empty() ? kVersionPlain : kVersion;
}

std::uint8_t kind_byte(SealerKind kind) {
  switch (kind) {
    case SealerKind::tpm:
      return kKindTpm;
    case SealerKind::software:
      return kKindSoftware;
    case SealerKind::token:
      return kKindToken;
  }
  return 0;
}

constexpr std::array kKinds{SealerKind::tpm, SealerKind::software, SealerKind::token};

void write_field(Writer& writer, std::span<const std::uint8_t> field) {
  writer.u16(static_cast<std::uint16_t>(field.size()));
  writer.bytes(field);
}

std::vector<std::uint8_t> read_field(Reader& reader) {
  const auto field = reader.bytes(reader.u16());
  return {field.begin(), field.end()};
}

void write_policy(Writer& writer, const SealedBlob& blob) {
  write_field(writer, blob.endorsement);
  write_field(writer, blob.policy_key);
  writer.u8(static_cast<std::uint8_t>(blob.authorised.size()));
  for (const AuthorisedPcrs& one : blob.authorised) {
    write_field(writer, one.values);
    write_field(writer, one.signature);
  }
}

void read_policy(Reader& reader, SealedBlob& blob) {
  blob.endorsement = read_field(reader);
  blob.policy_key = read_field(reader);
  for (std::uint8_t left = reader.u8(); left > 0 && reader.ok(); --left) {
    std::vector<std::uint8_t> values = read_field(reader);
    blob.authorised.push_back({std::move(values), read_field(reader)});
  }
}

}  // namespace

Result<std::vector<std::uint8_t>> encode_sealed_blob(const SealedBlob& blob) {
  if (!values_fit(blob)) return fail(Errc::invalid_argument, "PCR values of a sealed blob");
  // One past the limit of each field is past the limit of the whole, so that no u16 can be cut short.
  for (const auto* field : {&blob.parent, &blob.pcr_values, &blob.public_part, &blob.private_part,
                            &blob.endorsement, &blob.policy_key}) {
    if (field->size() > kSealedBlobMaxBytes) return fail(Errc::too_large, "sealed blob");
  }
  std::array<std::uint8_t, kSealedBlobMaxBytes> out;
  Writer writer(out);
  writer.u32(kMagic);
  writer.u8(version_of(blob));
  writer.u8(kind_byte(blob.kind));
  writer.u32(blob.pcr_mask);
  write_field(writer, blob.parent);
  write_field(writer, blob.pcr_values);
  write_field(writer, blob.public_part);
  write_field(writer, blob.private_part);
  if (version_of(blob) == kVersion) write_policy(writer, blob);
  writer.bytes(crypto::sha256({writer.written()}));
  if (!writer.ok()) return fail(Errc::too_large, "sealed blob");
  return std::vector<std::uint8_t>(writer.written().begin(), writer.written().end());
}

Result<SealedBlob> decode_sealed_blob(std::span<const std::uint8_t> bytes) {
  if (bytes.size() > kSealedBlobMaxBytes) return fail(Errc::too_large, "sealed blob");
  if (bytes.size() < kChecksumBytes) return fail(Errc::truncated, "sealed blob");
  const auto content = bytes.first(bytes.size() - kChecksumBytes);
  Reader reader(content);
  if (reader.u32() != kMagic) return fail(Errc::malformed, "not a sealed blob");
  const std::uint8_t version = reader.u8();
  if (version > kVersion)
    return fail(Errc::newer_version, "the sealed storage key has version " + std::to_string(version));
  if (version != kVersionPlain && version != kVersion) return fail(Errc::malformed, "sealed blob: version");
  const auto checksum = crypto::sha256({content});
  if (!std::ranges::equal(checksum, bytes.last(kChecksumBytes))) {
    return fail(Errc::malformed, "sealed blob: wrong checksum");
  }
  SealedBlob blob;
  const std::uint8_t kind = reader.u8();
  const auto known = std::ranges::find(kKinds, kind, kind_byte);
  if (known == kKinds.end()) return fail(Errc::malformed, "sealed blob: kind");
  blob.kind = *known;
  blob.pcr_mask = reader.u32();
  blob.parent = read_field(reader);
  blob.pcr_values = read_field(reader);
  blob.public_part = read_field(reader);
  blob.private_part = read_field(reader);
  if (version == kVersion) read_policy(reader, blob);
  if (!reader.done()) return fail(Errc::malformed, "sealed blob: lengths");
  if (!values_fit(blob)) return fail(Errc::malformed, "sealed blob: PCR values");
  if (version != version_of(blob)) return fail(Errc::malformed, "sealed blob: version");
  return blob;
}

}  // namespace akm::keyring
