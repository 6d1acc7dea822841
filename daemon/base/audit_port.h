#pragma once
// The audit log as it is asked for from outside (D-Bus org.akm.Audit1): the adaptor knows it only through
// this.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/control_types.h"

namespace akm {

using AuditDigest = std::array<std::uint8_t, 32>;

/// One record of the audit log (docs/audit.md).
struct AuditRecord {
  std::uint64_t number = 0;      // from 1, without gaps
  std::int64_t boottime_ns = 0;  // of what it tells, not of the writing
  std::int64_t unix_ns = 0;      // of the writing, by the wall clock: for people
  std::uint32_t start = 0;       // which start of the daemon: boot times of two boots are not compared
  std::uint8_t severity = 6;     // syslog
  std::uint64_t asr_id = 0;      // 0: of none
  std::uint32_t generation = 0;  // 0: not known
  std::uint32_t epoch = 0;
  std::uint64_t incident = 0;  // 0: belongs to none
  std::string name;            // of the event
  std::map<std::string, std::string> fields;
  std::optional<AuditDigest> seal;  // of a record named "seal"

  bool operator==(const AuditRecord&) const = default;
};

/// What a look at the whole log found.
struct AuditVerdict {
  std::uint32_t files = 0;
  std::uint64_t records = 0;
  std::uint64_t first = 0;            // number of the oldest that is kept
  std::uint64_t last = 0;             // of the newest
  std::uint64_t sealed = 0;           // up to here a seal holds; 0: no seal was checked
  std::vector<std::string> findings;  // what is damaged or missing; none: intact
  std::vector<std::string> notes;     // what is no damage

  bool operator==(const AuditVerdict&) const = default;
};

/// A seal that stands in a log somewhere else: whether this daemon made it only this daemon can tell.
struct AuditSeal {
  std::uint64_t number = 0;
  std::int64_t boottime_ns = 0;
  std::uint32_t start = 0;
  AuditDigest before{};  // head of the chain that it closes
  AuditDigest seal{};
};

/// All records of one cause, in one line.
struct IncidentSummary {
  std::uint64_t id = 0;
  std::uint64_t first = 0;  // numbers of its records
  std::uint64_t last = 0;
  std::uint32_t records = 0;
  std::int64_t boottime_ns = 0;  // when the kernel saw it, else when the daemon heard of it
  std::int64_t unix_ns = 0;      // of the first record
  std::string detection;         // "key-access"; "operator" for a quarantine by hand
  std::string grade;
  std::string node;   // on an NMM: the node that it is about
  std::string state;  // name of the newest record

  bool operator==(const IncidentSummary&) const = default;
};

/// Pages are bounded by the port; an empty one is the end.
inline constexpr std::uint32_t kAuditPage = 256;

class AuditPort {
 public:
  virtual ~AuditPort() = default;
  /// Reads everything once: chain, seals, and whether as much is there as was sealed. sealed_unavailable
  /// without a state.
  virtual void verify(Reply<AuditVerdict> reply) = 0;
  /// Records with numbers above `after`, oldest first; of one incident, if it is not 0.
  virtual void records(std::uint64_t after, std::uint32_t most, std::uint64_t incident,
                       Reply<std::vector<AuditRecord>> reply) = 0;
  /// Incidents whose first record is above `after`, oldest first.
  virtual void incidents(std::uint64_t after, std::uint32_t most,
                         Reply<std::vector<IncidentSummary>> reply) = 0;
  /// Numbers of those that this daemon did not make.
  virtual Result<std::vector<std::uint64_t>> check_seals(const std::vector<AuditSeal>& seals) = 0;
};

}  // namespace akm
