#include "daemon/base/clean_text.h"
#include "daemon/store/config_database_impl.h"
#include "daemon/store/fields_text.h"

namespace akm::store {
namespace {

constexpr std::size_t kIncidentNameBytes = 64;
// What the database holds as a signed number.
constexpr std::uint64_t kSequenceMax = std::uint64_t{1} << 62;

Status check_sequence(std::uint64_t sequence) {
  return sequence <= kSequenceMax ? Status{} : fail(Errc::invalid_argument, "the sequence of a report");
}

Result<ReportRow> report_from(const SqlRow& row) {
  AKM_ASSIGN(const std::uint64_t nmm, parse_hex_id(sql_text(row[0])));
  AKM_ASSIGN(const auto key, key_from(sql_text(row[1]), sql_text(row[2])));
  ReportRow out{
      nmm, key.first, key.second, static_cast<std::uint64_t>(sql_integer(row[3])), sql_integer(row[4]), {}};
  AKM_ASSIGN(out.fields, fields_from_text(sql_text(row[5])));
  return out;
}

Result<IncidentRow> incident_from(const SqlRow& row) {
  IncidentRow out;
  out.number = static_cast<std::uint64_t>(sql_integer(row[0]));
  AKM_ASSIGN(out.nmm_id, parse_hex_id(sql_text(row[1])));
  out.sequence = static_cast<std::uint64_t>(sql_integer(row[2]));
  out.unix_ns = sql_integer(row[3]);
  out.name = sql_text(row[4]);
  out.severity = static_cast<std::uint8_t>(sql_integer(row[5]));
  AKM_ASSIGN(out.node_id, parse_hex_id(sql_text(row[6])));
  AKM_ASSIGN(out.asr_id, parse_hex_id(sql_text(row[7])));
  AKM_ASSIGN(out.fields, fields_from_text(sql_text(row[8])));
  return out;
}

template <typename T>
Result<std::vector<T>> all_from(const SqlRows& rows, Result<T> (*one_from)(const SqlRow&)) {
  std::vector<T> out;
  out.reserve(rows.size());
  for (const SqlRow& row : rows) {
    AKM_ASSIGN(T one, one_from(row));
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

Status ConfigDatabase::put_reports(std::span<const ReportRow> rows) {
  for (const ReportRow& row : rows) {
    AKM_TRY(check_sequence(row.sequence));
    AKM_TRY(check_fields(row.fields));
  }
  return impl_->sql->write([&]() -> Status {
    for (const ReportRow& row : rows) {
      AKM_TRY(
          impl_->sql->run("INSERT INTO report (nmm, kind, id, sequence, unix_ns, body)"
                          " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, nmm, id) DO UPDATE SET"
                          " sequence = excluded.sequence, unix_ns = excluded.unix_ns, body = excluded.body"
                          " WHERE excluded.sequence > report.sequence",
                          {hex_id(row.nmm_id), sql_string(kind_name(row.kind)), hex_id(row.id),
                           sql_number(row.sequence), row.unix_ns, fields_to_text(row.fields)}));
    }
    return {};
  });
}

Result<std::vector<ReportRow>> ConfigDatabase::reports(RecordKind kind, std::uint64_t nmm_id,
                                                       std::uint64_t after_nmm, std::uint64_t after_id,
                                                       std::size_t limit) {
  AKM_TRY(check_page(limit));
  AKM_ASSIGN(const SqlRows rows,
             impl_->sql->ask("SELECT nmm, kind, id, sequence, unix_ns, body FROM report WHERE kind = $1"
                             " AND ($2 = '' OR nmm = $2) AND (nmm > $3 OR (nmm = $3 AND id > $4))"
                             " ORDER BY nmm, id LIMIT $5",
                             {sql_string(kind_name(kind)), nmm_id == 0 ? std::string() : hex_id(nmm_id),
                              hex_id(after_nmm), hex_id(after_id), sql_number(limit)}));
  return all_from<ReportRow>(rows, report_from);
}

Status ConfigDatabase::put_incidents(std::span<const IncidentRow> rows) {
  for (const IncidentRow& row : rows) {
    AKM_TRY(check_sequence(row.sequence));
    AKM_TRY(check_fields(row.fields));
    if (row.name.empty() || row.name.size() > kIncidentNameBytes || !is_clean_text(row.name)) {
      return fail(Errc::invalid_argument, "the name of an incident");
    }
  }
  return impl_->sql->write([&]() -> Status {
    AKM_ASSIGN(const SqlRows last, impl_->sql->run("SELECT coalesce(max(number), 0) FROM incident"));
    auto number = static_cast<std::uint64_t>(sql_integer(last.at(0).at(0)));
    for (const IncidentRow& row : rows) {
      AKM_ASSIGN(const SqlRows stored,
                 impl_->sql->run(
                     "INSERT INTO incident (number, nmm, sequence, unix_ns, name, severity, node, asr, body)"
                     " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (nmm, sequence) DO NOTHING"
                     " RETURNING number",
                     {sql_number(number + 1), hex_id(row.nmm_id), sql_number(row.sequence), row.unix_ns,
                      row.name, sql_number(row.severity), hex_id(row.node_id), hex_id(row.asr_id),
                      fields_to_text(row.fields)}));
      if (!stored.empty()) ++number;
    }
    if (number <= kIncidentsMax) return {};
    AKM_TRY(impl_->sql->run("DELETE FROM incident WHERE number <= $1", {sql_number(number - kIncidentsMax)}));
    return {};
  });
}

Result<std::vector<IncidentRow>> ConfigDatabase::incidents(std::uint64_t after, std::size_t limit,
                                                           std::uint64_t nmm_id) {
  AKM_TRY(check_page(limit));
  AKM_ASSIGN(
      const SqlRows rows,
      impl_->sql->ask("SELECT number, nmm, sequence, unix_ns, name, severity, node, asr, body"
                      " FROM incident WHERE number > $1 AND ($2 = '' OR nmm = $2)"
                      " ORDER BY number LIMIT $3",
                      {sql_number(after), nmm_id == 0 ? std::string() : hex_id(nmm_id), sql_number(limit)}));
  return all_from<IncidentRow>(rows, incident_from);
}

}  // namespace akm::store
