#include "tools/akmctl/root_json.h"

#include <nlohmann/json.hpp>

#include "daemon/base/hex.h"

namespace akm::ctl {
namespace {

using Json = nlohmann::ordered_json;

// The library throws on invalid UTF-8 unless told to replace it.
std::string line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json or_null(const std::optional<store::Fields>& fields) {
  return fields ? Json(*fields) : Json(nullptr);
}
Json or_null(const std::optional<std::string>& text) {
  return text ? Json(*text) : Json(nullptr);
}

Json one(const root::NmmSnapshot& nmm) {
  return {{"nmm_id", hex_id(nmm.nmm_id)}, {"name", nmm.name},         {"state", nmm.state},
          {"serial", nmm.serial},         {"endpoint", nmm.endpoint}, {"last_heard_ns", nmm.last_heard_ns},
          {"version", nmm.version},       {"nodes", nmm.nodes},       {"asrs", nmm.asrs}};
}
Json one(const store::ConfigRecord& record) {
  return {{"kind", store::kind_name(record.kind)},
          {"id", hex_id(record.id)},
          {"revision", record.revision},
          {"fields", Json(record.fields)}};
}
Json one(const store::Change& change) {
  return {{"revision", change.revision},
          {"unix_ns", change.unix_ns},
          {"who", change.who},
          {"rollback_to", change.rollback_to},
          {"kind", store::kind_name(change.kind)},
          {"id", hex_id(change.id)},
          {"before", or_null(change.before)},
          {"after", or_null(change.after)}};
}
Json one(const store::FieldDifference& difference) {
  return {{"kind", store::kind_name(difference.kind)},
          {"id", hex_id(difference.id)},
          {"field", difference.field},
          {"before", or_null(difference.before)},
          {"after", or_null(difference.after)}};
}
Json one(const store::ReportRow& row) {
  return {{"nmm_id", hex_id(row.nmm_id)},
          {"id", hex_id(row.id)},
          {"sequence", row.sequence},
          {"unix_ns", row.unix_ns},
          {"fields", Json(row.fields)}};
}
Json one(const store::IncidentRow& row) {
  return {{"number", row.number},         {"nmm_id", hex_id(row.nmm_id)},
          {"unix_ns", row.unix_ns},       {"name", row.name},
          {"severity", row.severity},     {"node_id", hex_id(row.node_id)},
          {"asr_id", hex_id(row.asr_id)}, {"fields", Json(row.fields)}};
}

template <typename Row>
std::string all(const std::vector<Row>& rows) {
  Json out = Json::array();
  for (const Row& row : rows) out.push_back(one(row));
  return line(out);
}

}  // namespace

std::string json_of(const root::StatusSnapshot& s) {
  return line({{"service", "root"},
               {"state", s.state},
               {"root_id", hex_id(s.root_id)},
               {"name", s.name},
               {"version", s.version},
               {"key_storage", s.key_storage},
               {"hardware_protected", s.hardware_protected},
               {"incarnation", s.incarnation},
               {"io_backend", s.io_backend},
               {"listen", s.listen},
               {"database", s.database},
               {"revision", s.revision},
               {"pruned_to", s.pruned_to},
               {"findings", s.findings},
               {"counters", Json(s.counters)}});
}
std::string json_of(const std::vector<root::NmmSnapshot>& nmms) {
  return all(nmms);
}
std::string json_of(const store::ConfigRecord& record) {
  return line(one(record));
}
std::string json_of(const std::vector<store::ConfigRecord>& records) {
  return all(records);
}
std::string json_of(const std::vector<store::Change>& changes) {
  return all(changes);
}
std::string json_of(const std::vector<store::FieldDifference>& differences) {
  return all(differences);
}
std::string json_of(const std::vector<store::ReportRow>& rows) {
  return all(rows);
}
std::string json_of(const std::vector<store::IncidentRow>& rows) {
  return all(rows);
}

}  // namespace akm::ctl
