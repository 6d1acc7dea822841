#pragma once
// Reads an audit log from end to end: is the chain whole, do the seals hold, is as much there as there was.
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/audit_port.h"
#include "daemon/base/result.h"
#include "daemon/store/audit_record.h"

namespace akm::store {

/// A file is never larger: what the configuration may ask for, and one record.
inline constexpr std::size_t kAuditFileMostBytes =
    (std::size_t{64} << 20) + kAuditBodyBytes + kAuditHeaderBytes;
inline constexpr std::size_t kAuditFilesMost = 512;

/// What is kept outside of the log (in a sealed record), so that a log which was cut short is noticed.
struct AuditAnchor {
  std::uint64_t first_file = 0;  // the oldest that is kept
  std::uint64_t file = 0;        // that was written to
  AuditHead head;                // what was sealed

  [[nodiscard]] std::vector<std::uint8_t> encode() const;
  /// malformed.
  static Result<AuditAnchor> decode(std::span<const std::uint8_t> bytes);
};

/// "audit-0000000000000001.log", and back: none for another name.
std::string audit_file_name(std::uint64_t number);
std::optional<std::uint64_t> audit_file_number(std::string_view name);
/// Numbers of the files of a folder, rising. storage_failed, limit_exceeded.
Result<std::vector<std::uint64_t>> audit_files(const std::string& folder);

/// One file. `bytes` from its beginning; the visitor sees each record that stands in its place in the chain.
struct AuditFileScan {
  AuditFileHeader header;
  AuditHead head;              // of the last good record
  std::size_t good_bytes = 0;  // up to its end
  bool whole = false;          // nothing comes after it
  std::string why;             // what comes after it is wrong; empty when whole
};
using AuditVisitor =
    std::function<void(const AuditRecord& record, const AuditHead& before, const AuditHead& at)>;
/// malformed for what has no header.
Result<AuditFileScan> scan_audit_file(std::span<const std::uint8_t> bytes, const AuditVisitor& visit);

struct AuditCheckOptions {
  const AuditKey* key = nullptr;      // null: seals are gathered, and not checked
  std::optional<AuditAnchor> anchor;  // none: whether something is cut off cannot be known
  AuditVisitor visit;
};

struct AuditCheck {
  AuditVerdict verdict;
  std::vector<AuditSeal> seals;  // that were not checked
  std::size_t bad_seals = 0;     // that were, and do not hold
  // Where the newest file may be gone on with.
  std::uint64_t file = 0;  // 0: there is none
  AuditHead head;
  std::size_t good_bytes = 0;
  std::size_t bytes = 0;  // of the newest file
  bool short_of_anchor = false;
};

/// `path`: a folder, or one file of it. not_found, storage_failed, too_large; damage is in the verdict.
Result<AuditCheck> check_audit(const std::string& path, const AuditCheckOptions& options);

}  // namespace akm::store
