#pragma once
// Records of the audit log for people and programs, and an incident put together from them.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "daemon/base/audit_port.h"

namespace akm::ctl {

/// One line: what akmctl audit export, incident export and --json write, and akmctl policy simulate reads.
/// `node` is the name to write where the record has none.
std::string json_of(const AuditRecord& record, const std::string& node);
std::string json_of(const IncidentSummary& incident);
std::string text_of(const AuditRecord& record);

/// A generation that went to the members because of an incident: who has it, and who lacks it.
struct IncidentGeneration {
  std::uint64_t asr_id = 0;
  std::uint32_t generation = 0;
  std::string label;
  std::uint64_t members = 0;     // that it was meant for; 0: a member's log, which knows of itself
  std::uint64_t have_count = 0;  // exact, also where not all of them are named
  std::uint64_t lack_count = 0;
  std::map<std::string, std::int64_t> have;  // name to boot time
  std::map<std::string, std::string> lack;   // name to why, where that is known
};

struct IncidentView {
  std::uint64_t id = 0;
  std::string node;  // named where a record names none
  std::vector<AuditRecord> records;

  [[nodiscard]] std::vector<IncidentGeneration> generations() const;
  /// What happened in the order of time, with the distance from the first; then who has which generation.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string json() const;
};

}  // namespace akm::ctl
