#include "daemon/service/audit_reading.h"

#include <algorithm>
#include <map>

#include "daemon/base/atomic_file.h"
#include "daemon/store/audit_check.h"

namespace akm::service {
namespace {

std::size_t size_of(const AuditRecord& record) {
  std::size_t out = 128 + record.name.size();
  for (const auto& [name, value] : record.fields) out += name.size() + value.size() + 16;
  return out;
}

std::string field(const AuditRecord& record, const char* name) {
  const auto at = record.fields.find(name);
  return at == record.fields.end() ? std::string() : at->second;
}

/// Tells the visitor of every record of a file, in order.
void visit_file(const std::string& path, const std::function<void(const AuditRecord&)>& visit) {
  const auto bytes = read_file(path, store::kAuditFileMostBytes);
  if (!bytes) return;  // rotated away meanwhile, or verify() tells
  (void)store::scan_audit_file(*bytes,
                               [&](const AuditRecord& record, const auto&, const auto&) { visit(record); });
}

void add(IncidentSummary& summary, const AuditRecord& record) {
  if (summary.records == 0) {
    summary.id = record.incident;
    summary.first = record.number;
    summary.boottime_ns = record.boottime_ns;
    summary.unix_ns = record.unix_ns;
  }
  ++summary.records;
  summary.last = record.number;
  summary.state = record.name;
  if (summary.detection.empty()) summary.detection = field(record, "class");
  // What began as evidence and went on as a breach is a breach.
  const std::string grade = field(record, "grade");
  if (!grade.empty() && summary.grade != "critical") summary.grade = grade;
  if (summary.node.empty()) summary.node = field(record, "node");
}

}  // namespace

Result<std::vector<AuditRecord>> read_records(const std::string& folder, std::uint64_t after,
                                              std::uint32_t most, std::uint64_t incident) {
  AKM_ASSIGN(const auto files, store::audit_files(folder));
  std::vector<AuditRecord> out;
  const std::size_t limit = std::min(most, kAuditPage);
  std::size_t bytes = 0;
  for (const std::uint64_t file : files) {
    if (out.size() >= limit || bytes >= kPageBytes) break;
    visit_file(folder + "/" + store::audit_file_name(file), [&](const AuditRecord& record) {
      if (record.number <= after || (incident != 0 && record.incident != incident)) return;
      if (out.size() >= limit || bytes >= kPageBytes) return;
      bytes += size_of(record);
      out.push_back(record);
    });
  }
  return out;
}

Result<std::vector<IncidentSummary>> read_incidents(const std::string& folder, std::uint64_t after,
                                                    std::uint32_t most) {
  AKM_ASSIGN(const auto files, store::audit_files(folder));
  std::map<std::uint64_t, IncidentSummary> found;
  std::map<std::uint64_t, std::uint64_t> by_first;
  for (const std::uint64_t file : files) {
    visit_file(folder + "/" + store::audit_file_name(file), [&](const AuditRecord& record) {
      if (record.incident == 0) return;
      IncidentSummary& summary = found[record.incident];
      if (summary.records == 0) by_first.emplace(record.number, record.incident);
      add(summary, record);
      if (found.size() <= kIncidentsMost) return;
      found.erase(by_first.begin()->second);
      by_first.erase(by_first.begin());
    });
  }
  std::vector<IncidentSummary> out;
  for (auto at = by_first.upper_bound(after); at != by_first.end() && out.size() < std::min(most, kAuditPage);
       ++at)
    out.push_back(found.at(at->second));
  return out;
}

}  // namespace akm::service
