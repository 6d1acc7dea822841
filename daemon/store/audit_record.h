#pragma once
// A record of the audit log as bytes, and the chain that it stands in (docs/audit.md, "Format").
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/audit_port.h"
#include "daemon/base/result.h"
#include "daemon/base/secret.h"

namespace akm::store {

inline constexpr std::size_t kAuditFields = 48;
inline constexpr std::size_t kAuditNameBytes = 80;
inline constexpr std::size_t kAuditValueBytes = 512;
inline constexpr std::size_t kAuditBodyBytes = std::size_t{32} * 1024;
inline constexpr std::size_t kAuditHeaderBytes = 8 + 8 + 8 + 32;
inline constexpr std::string_view kSealName = "seal";

/// Where a chain has got to: the number of the last record, and the digest over it and all before.
struct AuditHead {
  std::uint64_t number = 0;
  AuditDigest digest{};

  bool operator==(const AuditHead&) const = default;
};

/// Begins each file.
struct AuditFileHeader {
  std::uint64_t file = 0;  // number, as in its name
  AuditHead before;        // the last record of the file before

  [[nodiscard]] std::vector<std::uint8_t> encode() const;
  /// malformed.
  static Result<AuditFileHeader> decode(std::span<const std::uint8_t> bytes);
};

/// What does not fit its limits is cut: names and values at their ends, fields beyond the last.
std::vector<std::uint8_t> encode_audit_body(const AuditRecord& record);
/// malformed.
Result<AuditRecord> decode_audit_body(std::span<const std::uint8_t> body);

/// SHA-256 over the digest before and the body: anybody can check a chain, and nobody can change one record
/// of it without changing all that follow.
AuditDigest chain_digest(const AuditDigest& before, std::span<const std::uint8_t> body);
/// A record as it stands in a file: length of the body, body, digest. `head` goes on to it.
std::vector<std::uint8_t> audit_frame(AuditHead& head, std::span<const std::uint8_t> body);

/// Makes and checks seals, with a key of its own that is derived from the storage key.
class AuditKey {
 public:
  static Result<AuditKey> derive(const SecretBytes<32>& storage_key);
  /// HMAC-SHA-256 over the head of the chain and what the seal's record says of itself.
  [[nodiscard]] Result<AuditDigest> seal(const AuditSeal& what) const;
  [[nodiscard]] bool holds(const AuditSeal& what) const;

 private:
  SecretBytes<32> key_;
};

}  // namespace akm::store
