#include "dbus/root_rows.h"

#include <string>
#include <utility>

#include "dbus/limits.h"

namespace akm::dbus {
namespace {

constexpr const char* kNmm = "tssusxsuu";
constexpr const char* kReport = "tttxa{ss}";
constexpr const char* kIncident = "ttxsytta{ss}";
constexpr const char* kRecord = "tta{ss}";
constexpr const char* kChange = "txststsa{ss}a{ss}";
constexpr const char* kDifference = "stsbsbs";

std::string array_of(const char* row) {
  return std::string("(") + row + ")";
}

template <typename Row, typename Append>
void append_each(Writer& out, const char* type, const std::vector<Row>& rows, Append append) {
  out.open('a', array_of(type).c_str());
  for (const Row& row : rows) {
    out.open('r', type);
    append(row);
    out.close();
  }
  out.close();
}

template <typename Row, typename Read>
Status read_each(Reader& in, const char* type, std::vector<Row>& rows, Read read) {
  AKM_TRY(in.enter('a', array_of(type).c_str()));
  while (true) {
    AKM_ASSIGN(const bool more, in.enter('r', type));
    if (!more) break;
    if (rows.size() == limits::kListItems) return fail(Errc::too_large, "a list");
    if (const Status done = read(rows.emplace_back()); !done) return done;
    AKM_TRY(in.exit());
  }
  return in.exit();
}

Status take(Reader& in, std::string& to) {
  AKM_ASSIGN(const std::string text, in.text(limits::kTextBytes));
  to = clean_text(text, limits::kTextBytes);
  return {};
}
Status take(Reader& in, std::uint64_t& to) {
  AKM_ASSIGN(to, in.u64());
  return {};
}
Status take(Reader& in, std::int64_t& to) {
  AKM_ASSIGN(to, in.i64());
  return {};
}
Status take(Reader& in, std::uint32_t& to) {
  AKM_ASSIGN(to, in.u32());
  return {};
}
Status take(Reader& in, std::uint8_t& to) {
  AKM_ASSIGN(to, in.u8());
  return {};
}
Status take(Reader& in, store::Fields& to) {
  AKM_ASSIGN(to, read_fields(in));
  return {};
}
Status take(Reader& in, store::RecordKind& to) {
  AKM_ASSIGN(const std::string name, in.text(limits::kNameBytes));
  const auto kind = store::kind_from(name);
  if (!kind) return fail(Errc::malformed, "a kind of record that is not known here");
  to = *kind;
  return {};
}
Status take(Reader& in, std::optional<std::string>& to) {
  AKM_ASSIGN(const bool there, in.boolean());
  std::string text;
  AKM_TRY(take(in, text));
  if (there) to = std::move(text);
  return {};
}

// All of them in order.
template <typename... Members>
Status take_all(Reader& in, Members&... members) {
  Status done;
  (void)((done = take(in, members), done.has_value()) && ...);
  return done;
}

const char* action_of(const store::Change& change) {
  if (!change.before) return "made";
  return change.after ? "changed" : "removed";
}

}  // namespace

Result<store::Fields> read_fields(Reader& in) {
  AKM_ASSIGN(const auto map, in.text_map(limits::kListItems, limits::kTextBytes));
  store::Fields out;
  for (const auto& [name, value] : map) {
    out.emplace(clean_text(name, limits::kTextBytes), clean_text(value, limits::kTextBytes));
  }
  return out;
}

void append_rows(Writer& out, const std::vector<root::NmmSnapshot>& rows) {
  append_each(out, kNmm, rows, [&](const root::NmmSnapshot& row) {
    out.u64(row.nmm_id).text(row.name).text(row.state).u32(row.serial).text(row.endpoint);
    out.i64(row.last_heard_ns).text(row.version).u32(row.nodes).u32(row.asrs);
  });
}

Status read_rows(Reader& in, std::vector<root::NmmSnapshot>& rows) {
  return read_each(in, kNmm, rows, [&](root::NmmSnapshot& row) {
    return take_all(in, row.nmm_id, row.name, row.state, row.serial, row.endpoint, row.last_heard_ns,
                    row.version, row.nodes, row.asrs);
  });
}

void append_rows(Writer& out, const std::vector<store::ReportRow>& rows) {
  append_each(out, kReport, rows, [&](const store::ReportRow& row) {
    out.u64(row.nmm_id).u64(row.id).u64(row.sequence).i64(row.unix_ns).text_map(row.fields);
  });
}

Status read_rows(Reader& in, std::vector<store::ReportRow>& rows) {
  return read_each(in, kReport, rows, [&](store::ReportRow& row) {
    return take_all(in, row.nmm_id, row.id, row.sequence, row.unix_ns, row.fields);
  });
}

void append_rows(Writer& out, const std::vector<store::IncidentRow>& rows) {
  append_each(out, kIncident, rows, [&](const store::IncidentRow& row) {
    out.u64(row.number).u64(row.nmm_id).i64(row.unix_ns).text(row.name).u8(row.severity);
    out.u64(row.node_id).u64(row.asr_id).text_map(row.fields);
  });
}

Status read_rows(Reader& in, std::vector<store::IncidentRow>& rows) {
  return read_each(in, kIncident, rows, [&](store::IncidentRow& row) {
    return take_all(in, row.number, row.nmm_id, row.unix_ns, row.name, row.severity, row.node_id, row.asr_id,
                    row.fields);
  });
}

void append_rows(Writer& out, const std::vector<store::ConfigRecord>& rows) {
  append_each(out, kRecord, rows, [&](const store::ConfigRecord& row) {
    out.u64(row.id).u64(row.revision).text_map(row.fields);
  });
}

Status read_rows(Reader& in, std::vector<store::ConfigRecord>& rows) {
  return read_each(in, kRecord, rows,
                   [&](store::ConfigRecord& row) { return take_all(in, row.id, row.revision, row.fields); });
}

void append_rows(Writer& out, const std::vector<store::Change>& rows) {
  append_each(out, kChange, rows, [&](const store::Change& row) {
    out.u64(row.revision).i64(row.unix_ns).text(row.who).u64(row.rollback_to).text(kind_name(row.kind));
    out.u64(row.id).text(action_of(row));
    out.text_map(row.before ? *row.before : store::Fields{})
        .text_map(row.after ? *row.after : store::Fields{});
  });
}

Status read_rows(Reader& in, std::vector<store::Change>& rows) {
  return read_each(in, kChange, rows, [&](store::Change& row) -> Status {
    std::string action;
    store::Fields before;
    store::Fields after;
    AKM_TRY(take_all(in, row.revision, row.unix_ns, row.who, row.rollback_to, row.kind, row.id, action,
                     before, after));
    if (action != "made") row.before = std::move(before);
    if (action != "removed") row.after = std::move(after);
    return {};
  });
}

void append_rows(Writer& out, const std::vector<store::FieldDifference>& rows) {
  append_each(out, kDifference, rows, [&](const store::FieldDifference& row) {
    out.text(kind_name(row.kind)).u64(row.id).text(row.field);
    out.boolean(row.before.has_value()).text(row.before ? *row.before : "");
    out.boolean(row.after.has_value()).text(row.after ? *row.after : "");
  });
}

Status read_rows(Reader& in, std::vector<store::FieldDifference>& rows) {
  return read_each(in, kDifference, rows, [&](store::FieldDifference& row) {
    return take_all(in, row.kind, row.id, row.field, row.before, row.after);
  });
}

}  // namespace akm::dbus
