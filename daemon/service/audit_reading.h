#pragma once
// Pages of the audit log, and what it says of incidents. Read from the files: on a thread aside.
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/audit_port.h"
#include "daemon/base/result.h"

namespace akm::service {

/// A page of records with numbers above `after`, oldest first, of one incident if it is not 0: at most `most`
/// and kAuditPage of them, and kPageBytes. What cannot be read is left out: verify() tells of it.
Result<std::vector<AuditRecord>> read_records(const std::string& folder, std::uint64_t after,
                                              std::uint32_t most, std::uint64_t incident);
/// Incidents by their first record. Of more than kIncidentsMost the oldest are left out.
Result<std::vector<IncidentSummary>> read_incidents(const std::string& folder, std::uint64_t after,
                                                    std::uint32_t most);

inline constexpr std::size_t kPageBytes = std::size_t{256} * 1024;
inline constexpr std::size_t kIncidentsMost = 4096;

}  // namespace akm::service
