#pragma once
// The Root's records as data: kinds, fields, edits, and the history that edits leave. No secrets.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"

namespace akm::store {

/// What a record describes. The numbers are stored.
enum class RecordKind : std::uint8_t {
  domain = 1,  // id 1 only: the domain itself
  nmm = 2,     // id: nmm_id
  node = 3,    // id: node_id
  asr = 4,     // id: asr_id
  policy = 5,  // id: as the operator likes; fields are those of protocol.md section 8
};
inline constexpr std::array kRecordKinds{RecordKind::domain, RecordKind::nmm, RecordKind::node,
                                         RecordKind::asr, RecordKind::policy};

/// "domain", "nmm", "node", "asr", "policy".
inline std::string_view kind_name(RecordKind kind) {
  switch (kind) {
    case RecordKind::domain:
      return "domain";
    case RecordKind::nmm:
      return "nmm";
    case RecordKind::node:
      return "node";
    case RecordKind::asr:
      return "asr";
    case RecordKind::policy:
      return "policy";
  }
  return {};
}
/// invalid_argument.
inline Result<RecordKind> kind_from(std::string_view name) {
  for (const RecordKind kind : kRecordKinds) {
    if (kind_name(kind) == name) return kind;
  }
  return fail(Errc::invalid_argument, "a kind of record is one of domain, nmm, node, asr, policy");
}

/// Field names are 1 to 64 of a-z, 0-9, '.', '_' and '-'; values are UTF-8 without control characters.
using Fields = std::map<std::string, std::string>;
inline constexpr std::size_t kFieldsMax = 64;
inline constexpr std::size_t kFieldNameBytes = 64;
inline constexpr std::size_t kFieldValueBytes = std::size_t{96} * 1024;  // a list of 4096 node ids fits
inline constexpr std::size_t kFieldsBytes = std::size_t{128} * 1024;     // names and values together
/// Who made a change: "uid 1000 (name)", "nmm 00..2a". UTF-8 without control characters.
inline constexpr std::size_t kWhoBytes = 128;
/// Edits of one transaction; a rollback may need more (kRollbackMax).
inline constexpr std::size_t kEditsMax = 4096;
inline constexpr std::size_t kRollbackMax = 65536;
/// Rows of one page of a list or of history.
inline constexpr std::size_t kPageMax = 1000;

/// A name of a field or a slot; invalid_argument beginning with `what`.
Status check_word(std::string_view what, std::string_view name);
/// invalid_argument naming the field, too_large, limit_exceeded.
Status check_fields(const Fields& fields);

struct ConfigRecord {
  RecordKind kind = RecordKind::domain;
  std::uint64_t id = 0;
  std::uint64_t revision = 0;  // of the change that made it what it is
  Fields fields;

  bool operator==(const ConfigRecord&) const = default;
};

/// One wanted change.
struct Edit {
  RecordKind kind = RecordKind::domain;
  std::uint64_t id = 0;
  std::optional<Fields> after;  // the whole record; nullopt: removed
  /// The revision that the editor saw; 0: there was no record. Not set: whatever is there.
  std::optional<std::uint64_t> expected_revision;
};

/// One change that was made: one row of the history.
struct Change {
  std::uint64_t revision = 0;  // 1, 2, ... without gaps
  std::int64_t unix_ns = 0;    // wall clock, informational only: nothing is decided by it
  std::string who;
  std::uint64_t rollback_to = 0;  // not 0: part of a rollback to that revision
  RecordKind kind = RecordKind::domain;
  std::uint64_t id = 0;
  std::optional<Fields> before;  // nullopt: there was none
  std::optional<Fields> after;   // nullopt: removed

  bool operator==(const Change&) const = default;
};

/// What differs in one field of one record between two revisions.
struct FieldDifference {
  RecordKind kind = RecordKind::domain;
  std::uint64_t id = 0;
  std::string field;
  std::optional<std::string> before;  // nullopt: the field was not there
  std::optional<std::string> after;

  bool operator==(const FieldDifference&) const = default;
};

}  // namespace akm::store
