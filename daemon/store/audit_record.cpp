#include "daemon/store/audit_record.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "daemon/base/clean_text.h"
#include "daemon/base/cursor.h"
#include "daemon/crypto/digest.h"
#include "daemon/crypto/hkdf.h"
#include "daemon/crypto/secret_observer.h"

namespace akm::store {
namespace {

constexpr std::uint64_t kMagic = 0x414b4d4155443031;  // "AKMAUD01"
constexpr std::size_t kFixedBytes = 8 + 8 + 8 + 4 + 1 + 8 + 4 + 4 + 8 + 1 + 1;
constexpr std::string_view kKeyPurpose = "akm audit key 1";
constexpr std::string_view kSealPurpose = "akm audit seal 1";

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters as the bytes that they are
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// At most so many bytes, never half of a character, and nothing that could be taken for a line of its own.
std::string bounded(std::string_view text, std::size_t most) {
  if (text.size() <= most && is_clean_text(text)) return std::string(text);
  std::string out(text.substr(0, most));
  while (out.size() < text.size() && !out.empty() && !is_utf8(out)) out.pop_back();
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return is_clean_text(out) ? out : std::string("?");
}

void put_text(Writer& out, std::string_view text) {
  out.u16(static_cast<std::uint16_t>(text.size()));
  out.bytes(bytes_of(text));
}

std::string take_text(Reader& in, std::size_t most, bool& good) {
  const std::size_t size = in.u16();
  const auto bytes = in.bytes(size);
  std::string out(bytes.begin(), bytes.end());
  good = good && size <= most && is_clean_text(out);
  return out;
}

AuditDigest take_digest(Reader& in) {
  AuditDigest out{};
  const auto bytes = in.bytes(out.size());
  if (bytes.size() == out.size()) std::ranges::copy(bytes, out.begin());
  return out;
}

}  // namespace

std::vector<std::uint8_t> AuditFileHeader::encode() const {
  std::vector<std::uint8_t> out(kAuditHeaderBytes);
  Writer writer(out);
  writer.u64(kMagic);
  writer.u64(file);
  writer.u64(before.number);
  writer.bytes(before.digest);
  return out;
}

Result<AuditFileHeader> AuditFileHeader::decode(std::span<const std::uint8_t> bytes) {
  Reader in(bytes);
  const std::uint64_t magic = in.u64();
  constexpr std::uint64_t kVersionBits = 0xffff;  // two digits
  if ((magic & ~kVersionBits) == (kMagic & ~kVersionBits) && magic > kMagic)
    return fail(Errc::newer_version, "a file of an audit log");
  const bool ours = magic == kMagic;
  AuditFileHeader out;
  out.file = in.u64();
  out.before.number = in.u64();
  out.before.digest = take_digest(in);
  if (!ours || !in.ok()) return fail(Errc::malformed, "no file of an audit log");
  return out;
}

// Fields in the order of docs/audit.md, "Format".
std::vector<std::uint8_t> encode_audit_body(const AuditRecord& record) {
  std::map<std::string, std::string> fields;  // what was cut may stand in another order, or twice
  const std::string name = bounded(record.name, kAuditNameBytes);
  std::size_t size = kFixedBytes + 2 + name.size() + (record.seal ? record.seal->size() : 0);
  for (const auto& [key, value] : record.fields) {
    if (fields.size() == kAuditFields) break;
    const auto [at, added] = fields.emplace(bounded(key, kAuditNameBytes), bounded(value, kAuditValueBytes));
    if (added) size += 4 + at->first.size() + at->second.size();
  }
  std::vector<std::uint8_t> out(size);
  Writer writer(out);
  writer.u64(record.number);
  writer.u64(static_cast<std::uint64_t>(record.boottime_ns));
  writer.u64(static_cast<std::uint64_t>(record.unix_ns));
  writer.u32(record.start);
  writer.u8(record.severity);
  writer.u64(record.asr_id);
  writer.u32(record.generation);
  writer.u32(record.epoch);
  writer.u64(record.incident);
  put_text(writer, name);
  writer.u8(static_cast<std::uint8_t>(fields.size()));
  for (const auto& [key, value] : fields) {
    put_text(writer, key);
    put_text(writer, value);
  }
  writer.u8(record.seal ? 1 : 0);
  if (record.seal) writer.bytes(*record.seal);
  return out;
}

Result<AuditRecord> decode_audit_body(std::span<const std::uint8_t> body) {
  Reader in(body);
  AuditRecord out;
  bool good = body.size() <= kAuditBodyBytes;
  out.number = in.u64();
  out.boottime_ns = static_cast<std::int64_t>(in.u64());
  out.unix_ns = static_cast<std::int64_t>(in.u64());
  out.start = in.u32();
  out.severity = in.u8();
  out.asr_id = in.u64();
  out.generation = in.u32();
  out.epoch = in.u32();
  out.incident = in.u64();
  out.name = take_text(in, kAuditNameBytes, good);
  const std::size_t count = in.u8();
  good = good && count <= kAuditFields && out.severity <= 7;
  for (std::size_t i = 0; i < count && good && in.ok(); ++i) {
    std::string key = take_text(in, kAuditNameBytes, good);
    good = good && (out.fields.empty() || out.fields.rbegin()->first < key);
    std::string value = take_text(in, kAuditValueBytes, good);
    out.fields.insert_or_assign(std::move(key), std::move(value));
  }
  const std::uint8_t sealed = in.u8();
  if (sealed == 1) out.seal = take_digest(in);
  if (!good || sealed > 1 || !in.done()) return fail(Errc::malformed, "no record of an audit log");
  return out;
}

AuditDigest chain_digest(const AuditDigest& before, std::span<const std::uint8_t> body) {
  return crypto::sha256({before, body});
}

std::vector<std::uint8_t> audit_frame(AuditHead& head, std::span<const std::uint8_t> body) {
  std::vector<std::uint8_t> out(4 + body.size() + head.digest.size());
  head.digest = chain_digest(head.digest, body);
  ++head.number;
  Writer writer(out);
  writer.u32(static_cast<std::uint32_t>(body.size()));
  writer.bytes(body);
  writer.bytes(head.digest);
  return out;
}

Result<AuditKey> AuditKey::derive(const SecretBytes<32>& storage_key) {
  AuditKey out;
  AKM_TRY(crypto::hkdf_expand(crypto::Hash::sha256, storage_key.reveal(), {bytes_of(kKeyPurpose)},
                              out.key_.reveal_mutable()));
  crypto::observe_secret("audit key", out.key_.reveal());
  return out;
}

Result<AuditDigest> AuditKey::seal(const AuditSeal& what) const {
  std::array<std::uint8_t, 20> said{};
  Writer writer(said);
  writer.u64(what.number);
  writer.u64(static_cast<std::uint64_t>(what.boottime_ns));
  writer.u32(what.start);
  AuditDigest out{};
  AKM_TRY(
      crypto::hmac(crypto::Hash::sha256, key_.reveal(), {bytes_of(kSealPurpose), what.before, said}, out));
  return out;
}

bool AuditKey::holds(const AuditSeal& what) const {
  const auto expected = seal(what);
  return expected && equal_in_constant_time(*expected, what.seal);
}

}  // namespace akm::store
