#include "daemon/protocol/detection_policy.h"

#include <algorithm>

#include "daemon/protocol/body_fields.h"
#include "daemon/protocol/cbor.h"

namespace akm::protocol {
namespace {

using Value = DetectionPolicy::Value;
using Values = DetectionPolicy::Values;
using Tables = DetectionPolicy::Tables;

/// Shorter keys first, then by bytes.
template <typename Map, typename Write>
void write_map(CborWriter& writer, const Map& map, Write&& write) {
  std::vector<const typename Map::value_type*> pairs;
  pairs.reserve(map.size());
  for (const auto& pair : map) pairs.push_back(&pair);
  std::ranges::stable_sort(pairs, {}, [](const auto* pair) { return pair->first.size(); });
  writer.map(pairs.size());
  for (const auto* pair : pairs) {
    writer.text(pair->first);
    write(pair->second);
  }
}

void write_value(CborWriter& writer, const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return writer.text(*text);
  if (const auto* flag = std::get_if<bool>(&value)) return writer.boolean(*flag);
  if (const auto* number = std::get_if<std::int64_t>(&value))
    return writer.unsigned_integer(static_cast<std::uint64_t>(std::max<std::int64_t>(*number, 0)));
  const auto& items = std::get<std::vector<std::string>>(value);
  writer.array(items.size());
  for (const std::string& item : items) writer.text(item);
}

void write_values(CborWriter& writer, const Values& values) {
  write_map(writer, values, [&](const Value& value) { write_value(writer, value); });
}

Value read_value(CborReader& reader) {
  switch (reader.kind()) {
    case CborReader::Kind::unsigned_integer:
      return static_cast<std::int64_t>(reader.unsigned_integer(INT64_MAX));
    case CborReader::Kind::boolean:
      return reader.boolean();
    case CborReader::Kind::array: {
      std::vector<std::string> items;
      for (std::size_t left = reader.array(kPolicyListItems); left > 0 && reader.ok(); --left)
        items.emplace_back(reader.text(kPolicyTextBytes));
      return items;
    }
    case CborReader::Kind::text:
    case CborReader::Kind::other:
      break;
  }
  return std::string(reader.text(kPolicyTextBytes));  // refuses what is none
}

Values read_values(CborReader& reader) {
  Values out;
  for (std::size_t pairs = reader.map(kPolicySettings); pairs > 0 && reader.ok(); --pairs) {
    std::string name(reader.key());
    out.emplace(std::move(name), read_value(reader));
  }
  return out;
}

Tables read_tables(CborReader& reader) {
  Tables out;
  for (std::size_t pairs = reader.map(kPolicyTables); pairs > 0 && reader.ok(); --pairs) {
    std::vector<Values>& rows = out[std::string(reader.key())];
    for (std::size_t left = reader.array(kPolicyTableRows); left > 0 && reader.ok(); --left)
      rows.push_back(read_values(reader));
  }
  return out;
}

}  // namespace

Body DetectionPolicy::encode() const {
  CborWriter writer;
  writer.map(5);
  writer.text("own");
  writer.boolean(own);
  writer.text("set");
  write_values(writer, set);
  writer.text("why");
  writer.text(why);
  writer.text("tables");
  write_map(writer, tables, [&](const std::vector<Values>& rows) {
    writer.array(rows.size());
    for (const Values& row : rows) write_values(writer, row);
  });
  writer.text("maintenance_s");
  writer.unsigned_integer(maintenance_s);
  return writer.take();
}

Result<DetectionPolicy> DetectionPolicy::decode(BodyView body) {
  DetectionPolicy out;
  AKM_TRY(read_body(body, 0b11111, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "own") return out.own = reader.boolean(), 0b1;
    if (key == "set") return out.set = read_values(reader), 0b10;
    if (key == "why") return out.why = reader.text(kEvidenceTextBytes), 0b100;
    if (key == "tables") return out.tables = read_tables(reader), 0b1000;
    if (key == "maintenance_s") {
      out.maintenance_s = static_cast<std::uint32_t>(reader.unsigned_integer(kPolicyMaintenanceS));
      return 0b10000;
    }
    return kUnknown;
  }));
  if (out.own && (!out.set.empty() || !out.tables.empty()))
    return fail(Errc::malformed, "a node's own policy has no values here");
  return out;
}

}  // namespace akm::protocol
