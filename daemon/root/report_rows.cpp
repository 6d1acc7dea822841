#include "daemon/root/report_rows.h"

#include <algorithm>
#include <string>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/base/wall_time.h"
#include "daemon/protocol/cbor.h"
#include "daemon/root/root_core.h"

namespace akm::root {
namespace {

using protocol::ReportedAsr;
using protocol::ReportedNode;
using store::RecordKind;
using store::ReportRow;

constexpr std::string_view kGone = "gone";
constexpr std::array<std::string_view, 5> kNodeStates{"prepared", "active", "silent", "quarantined",
                                                      "retired"};

ReportRow row_of(protocol::NodeId nmm_id, const ReportedNode& node) {
  ReportRow out;
  out.nmm_id = nmm_id;
  out.kind = RecordKind::node;
  out.id = node.id;
  out.sequence = node.change;
  out.fields["name"] = node.name;
  out.fields["state"] = kNodeStates[node.state];
  out.fields["serial"] = std::to_string(node.newest.serial);
  out.fields["root"] = std::to_string(node.newest.root);
  out.fields["hardware_value"] = hex(node.newest.hardware_value);
  out.fields["endpoint"] = node.peer;
  out.fields["entry"] = hex(node.encode());
  return out;
}

ReportRow row_of(protocol::NodeId nmm_id, const ReportedAsr& asr) {
  ReportRow out;
  out.nmm_id = nmm_id;
  out.kind = RecordKind::asr;
  out.id = asr.id;
  out.sequence = asr.change;
  out.fields["label"] = asr.label;
  out.fields["generation"] = std::to_string(asr.generation);
  out.fields["members"] = std::to_string(asr.roster.size());
  out.fields["entry"] = hex(asr.encode());
  return out;
}

std::vector<ReportRow> rows_of(protocol::NodeId nmm_id, const protocol::ReportRequest& report,
                               std::int64_t received_ns) {
  std::vector<ReportRow> out;
  out.reserve(report.nodes.size() + report.asrs.size());
  for (const ReportedNode& node : report.nodes) out.push_back(row_of(nmm_id, node));
  for (const ReportedAsr& asr : report.asrs) out.push_back(row_of(nmm_id, asr));
  for (const auto& [change, asr_id] : report.gone) {
    ReportRow& row = out.emplace_back();
    row.nmm_id = nmm_id;
    row.kind = RecordKind::asr;
    row.id = asr_id;
    row.sequence = change;
    row.fields["state"] = kGone;
  }
  // Last: with it everything up to `upto` is there.
  ReportRow& mark = out.emplace_back();
  mark.nmm_id = nmm_id;
  mark.kind = RecordKind::nmm;
  mark.id = nmm_id;
  mark.sequence = report.upto;
  mark.fields["lost_incidents"] = std::to_string(report.lost);
  for (ReportRow& row : out) row.unix_ns = received_ns;
  return out;
}

std::vector<store::IncidentRow> incidents_of(protocol::NodeId nmm_id, const protocol::ReportRequest& report,
                                             std::int64_t received_ns) {
  std::vector<store::IncidentRow> out;
  for (const protocol::ReportedIncident& incident : report.incidents) {
    store::IncidentRow& row = out.emplace_back();
    row.nmm_id = nmm_id;
    row.sequence = incident.change;
    row.unix_ns = received_ns;
    row.name = incident.name;
    row.severity = incident.severity;
    row.node_id = incident.node_id;
    row.asr_id = incident.asr_id;
    for (const auto& [name, value] : incident.facts) {
      // What comes from elsewhere and is no name of a field does not stop the report.
      if (store::check_fields({{name, value}})) row.fields[name] = value;
    }
  }
  return out;
}

bool is_gone(const ReportRow& row) {
  const auto state = row.fields.find("state");
  return row.kind == RecordKind::asr && state != row.fields.end() && state->second == kGone;
}

template <typename Entry>
Result<Entry> entry_of(const ReportRow& row) {
  const auto text = row.fields.find("entry");
  if (text == row.fields.end()) return fail(Errc::state_corrupt, "a report without its entry");
  AKM_ASSIGN(const auto bytes, parse_hex(text->second));
  return Entry::decode(bytes);
}

/// Adds the row; false when the answer is full.
Result<bool> add(const ReportRow& row, std::size_t& size, protocol::RecordsResponse& out) {
  const auto fits = [&size](const auto& entry) {
    const std::size_t more = entry.encode().size();
    if (size > 0 && size + more > protocol::kReportBytes) return false;
    size += more;
    return true;
  };
  if (row.kind == RecordKind::node) {
    AKM_ASSIGN(auto node, entry_of<ReportedNode>(row));
    if (!fits(node) || out.nodes.size() >= protocol::kReportedNodes) return false;
    out.nodes.push_back(std::move(node));
  } else {
    AKM_ASSIGN(auto asr, entry_of<ReportedAsr>(row));
    if (!fits(asr) || out.asrs.size() >= protocol::kReportedAsrs) return false;
    out.asrs.push_back(std::move(asr));
  }
  return true;
}

}  // namespace

Result<std::uint64_t> acknowledged(store::ConfigDatabase& database, protocol::NodeId nmm_id) {
  AKM_ASSIGN(const auto rows, database.reports(RecordKind::nmm, nmm_id, nmm_id, 0, 1));
  return rows.empty() ? 0 : rows.front().sequence;
}

Status store_report(store::ConfigDatabase& database, protocol::NodeId nmm_id,
                    const protocol::ReportRequest& report) {
  AKM_ASSIGN(const std::uint64_t acked, acknowledged(database, nmm_id));
  if (report.last < acked)
    return fail(Errc::stale_generation,
                "change " + std::to_string(report.last) + " after " + std::to_string(acked));
  const std::int64_t received_ns = wall_time_ns();
  AKM_TRY(database.put_incidents(incidents_of(nmm_id, report, received_ns)));
  return database.put_reports(rows_of(nmm_id, report, received_ns));
}

Result<protocol::RecordsResponse> read_records(store::ConfigDatabase& database, protocol::NodeId nmm_id,
                                               const protocol::RecordsRequest& request) {
  const RecordKind kind = request.kind == protocol::RecordsKind::nodes ? RecordKind::node : RecordKind::asr;
  protocol::RecordsResponse out;
  std::size_t size = 0;
  std::uint64_t after = request.after;
  while (true) {
    AKM_ASSIGN(const auto rows, database.reports(kind, nmm_id, nmm_id, after));
    if (rows.empty()) return out;
    for (const ReportRow& row : rows) {
      if (!is_gone(row)) {
        AKM_ASSIGN(const bool added, add(row, size, out));
        if (!added) {
          out.more = true;
          return out;
        }
      }
      after = row.id;
    }
  }
}

Result<std::map<protocol::NodeId, Reported>> read_reported(store::ConfigDatabase& database) {
  std::map<protocol::NodeId, Reported> out;
  for (const RecordKind kind : {RecordKind::node, RecordKind::asr}) {
    protocol::NodeId after_nmm = 0;
    std::uint64_t after_id = 0;
    while (true) {
      AKM_ASSIGN(const auto rows, database.reports(kind, 0, after_nmm, after_id));
      if (rows.empty()) break;
      for (const ReportRow& row : rows) {
        Reported& reported = out[row.nmm_id];
        if (!is_gone(row)) (kind == RecordKind::node ? reported.nodes : reported.asrs).insert(row.id);
      }
      after_nmm = rows.back().nmm_id;
      after_id = rows.back().id;
    }
  }
  return out;
}

Result<SecretBuffer> issue_body(store::ConfigDatabase& database, protocol::NodeId nmm_id,
                                const std::set<std::uint32_t>& numbers, bool restore, std::uint32_t floor) {
  protocol::IssueRequest body;
  body.nmm_id = nmm_id;
  body.restore = restore;
  body.incarnation = floor;
  AKM_ASSIGN(body.reported, acknowledged(database, nmm_id));
  for (const std::uint32_t number : numbers) {
    const auto secret = database.secret(secret_name(nmm_id, number));
    // Dropped when the NMM had no more use for it, and the record did not hear of that: the others count.
    if (!secret && secret.error().code == Errc::not_found) continue;
    if (!secret) return std::unexpected(secret.error());
    if (secret->size() != protocol::kProvisioningRootBytes)
      return fail(Errc::state_corrupt, "provisioning root secret");
    body.secrets.push_back({number, protocol::ProvisioningRoot::copy_of(
                                        secret->reveal().first<protocol::kProvisioningRootBytes>())});
  }
  if (body.secrets.empty()) return fail(Errc::not_found, "provisioning root secrets of an NMM");
  return body.encode();
}

Status keep_secrets(store::ConfigDatabase& database, protocol::NodeId nmm_id,
                    const std::vector<protocol::NumberedSecret>& secrets, bool known) {
  for (const protocol::NumberedSecret& one : secrets) {
    const store::SecretName name = secret_name(nmm_id, one.number);
    const auto present = database.secret(name);
    if (!present && (present.error().code != Errc::not_found || known))
      return fail(Errc::refused_by_policy, "the Root has other root secrets of this NMM");
    if (!present) {
      AKM_TRY(database.put_secret(name, one.secret.reveal()));
    } else if (!equal_in_constant_time(present->reveal(), one.secret.reveal())) {
      return fail(Errc::refused_by_policy, "the Root has another root secret of this NMM");
    }
  }
  return {};
}

Result<std::set<std::uint32_t>> drop_secrets(store::ConfigDatabase& database, protocol::NodeId nmm_id,
                                             const std::set<std::uint32_t>& present,
                                             const std::set<std::uint32_t>& held) {
  // An NMM that does not have the newest yet has not dropped the others either.
  if (present.empty() || !held.contains(*present.rbegin())) return present;
  std::set<std::uint32_t> left;
  for (const std::uint32_t number : present) {
    if (held.contains(number)) {
      left.insert(number);
    } else {
      AKM_TRY(database.remove_secret(secret_name(nmm_id, number)));
    }
  }
  return left;
}

}  // namespace akm::root
