#include "tools/akmctl/json.h"

#include <nlohmann/json.hpp>

#include "daemon/base/hex.h"
#include "tools/akmctl/names.h"

namespace akm::ctl {
namespace {

using Json = nlohmann::ordered_json;

// The library throws on invalid UTF-8 unless told to replace it.
std::string line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json pairs(const std::vector<std::pair<std::string, std::string>>& list) {
  Json out = Json::object();
  for (const auto& [key, value] : list) out[key] = value;
  return out;
}

Json member(const MemberSnapshot& m) {
  return {{"index", m.index},
          {"node_id", hex_id(m.node_id)},
          {"name", m.name},
          {"endpoints", m.endpoints},
          {"state", m.state},
          {"generation", m.generation},
          {"epoch", m.epoch},
          {"since_ns", m.since_ns},
          {"last_heard_ns", m.last_heard_ns},
          {"sent_generation", m.sent_generation},
          {"waits_for", m.waits_for},
          {"waits_since_ns", m.waits_since_ns}};
}

Json asr_json(const AsrSnapshot& asr) {
  Json members = Json::array();
  for (const MemberSnapshot& m : asr.members) members.push_back(member(m));
  Json stragglers = Json::array();
  for (const StragglerSnapshot& one : asr.stragglers) {
    stragglers.push_back({{"node_id", hex_id(one.node_id)},
                          {"name", one.name},
                          {"waits_for", one.waits_for},
                          {"since_ns", one.since_ns}});
  }
  Json exported = Json::array();
  for (const ExportedKey& one : asr.exported_keys) {
    exported.push_back({{"name", one.name},
                        {"context", one.context},
                        {"type", one.type},
                        {"serial", one.serial},
                        {"generation", one.generation},
                        {"epoch", one.epoch},
                        {"users", one.users}});
  }
  return {{"id", hex_id(asr.id)},
          {"kind", asr.kind},
          {"label", asr.label},
          {"suite", asr.suite},
          {"generation", asr.generation},
          {"epoch", asr.epoch},
          {"phase", asr.phase},
          {"key_check", asr.key_check},
          {"roster_hash", asr.roster_hash},
          {"own_index", asr.own_index},
          {"members", members},
          {"policy", Json(asr.policy)},
          {"now_ns", asr.now_ns},
          {"since_ns", asr.since_ns},
          {"phase_since_ns", asr.phase_since_ns},
          {"chain", asr.chain},
          {"target", asr.target},
          {"installed_generation", asr.installed_generation},
          {"waits_for", asr.waits_for},
          {"waits_until_ns", asr.waits_until_ns},
          {"stragglers", stragglers},
          {"counters", Json(asr.counters)},
          {"exported_keys", exported}};
}

}  // namespace

std::string json_of(const node::StatusSnapshot& s) {
  Json bundles = Json::array();
  for (const node::BundleSnapshot& one : s.bundles) {
    bundles.push_back({{"device", one.device},
                       {"file", one.file},
                       {"tries_left", one.tries_left},
                       {"refusal", one.refusal}});
  }
  return line({{"service", "node"},
               {"state", node::node_state_name(s.state)},
               {"node_id", hex_id(s.node_id)},
               {"node_name", s.node_name},
               {"nmm_id", hex_id(s.nmm_id)},
               {"nmm_name", s.nmm_name},
               {"version", s.version},
               {"key_storage", s.key_storage},
               {"hardware_protected", s.hardware_protected},
               {"incarnation", s.incarnation},
               {"io_backend", s.io_backend},
               {"listen", s.listen},
               {"keyring", s.keyring},
               {"findings", s.findings},
               {"probes", pairs(s.probes)},
               {"bundles", bundles},
               {"counters", Json(s.counters)},
               {"handover_fingerprint", s.handover_fingerprint},
               {"changed_sources", s.changed_sources}});
}

std::string json_of(const std::vector<nmm::DriveSnapshot>& drives) {
  Json out = Json::array();
  for (const nmm::DriveSnapshot& one : drives) {
    out.push_back({{"device", one.device},
                   {"model", one.model},
                   {"bytes", one.bytes},
                   {"filesystem", one.filesystem},
                   {"mounted_at", one.mounted_at},
                   {"refusal", one.refusal}});
  }
  return line(out);
}

std::string json_of(const nmm::StatusSnapshot& s) {
  return line({{"service", "nmm"},
               {"state", s.state},
               {"nmm_id", hex_id(s.nmm_id)},
               {"name", s.name},
               {"version", s.version},
               {"key_storage", s.key_storage},
               {"hardware_protected", s.hardware_protected},
               {"incarnation", s.incarnation},
               {"io_backend", s.io_backend},
               {"listen", s.listen},
               {"root_state", s.root_state},
               {"root_id", hex_id(s.root_id)},
               {"root_name", s.root_name},
               {"root_since_ns", s.root_since_ns},
               {"findings", s.findings},
               {"probes", pairs(s.probes)},
               {"counters", Json(s.counters)},
               {"handover_fingerprint", s.handover_fingerprint}});
}

std::string json_of(const node::ControlPort::HardwareIdentity& identity) {
  return line({{"value", hex(identity.value)}, {"sources", pairs(identity.sources)}});
}

std::string json_of(const std::vector<nmm::NodeSnapshot>& nodes) {
  Json out = Json::array();
  for (const nmm::NodeSnapshot& n : nodes) {
    Json asrs = Json::array();
    for (const std::uint64_t id : n.asrs) asrs.push_back(hex_id(id));
    out.push_back({{"node_id", hex_id(n.node_id)},
                   {"name", n.name},
                   {"state", n.state},
                   {"serial", n.serial},
                   {"endpoint", n.endpoint},
                   {"last_heard_ns", n.last_heard_ns},
                   {"asrs", asrs},
                   {"version", n.version}});
  }
  return line(out);
}

std::string json_of(const AsrSnapshot& asr) {
  return line(asr_json(asr));
}

std::string json_of(const std::vector<AsrSnapshot>& asrs) {
  Json out = Json::array();
  for (const AsrSnapshot& asr : asrs) out.push_back(asr_json(asr));
  return line(out);
}

std::string json_of(dbus::Service service, const EventRecord& event) {
  return line({{"service", short_name(service)},
               {"name", event.name},
               {"severity", event.severity},
               {"boottime_ns", event.boottime_ns},
               {"asr_id", hex_id(event.asr_id)},
               {"fields", Json(event.fields)}});
}

std::string json_id(const char* key, std::uint64_t id) {
  return line({{key, hex_id(id)}});
}

std::string json_serial(std::int32_t serial) {
  return line({{"serial", serial}});
}

std::string not_erased(const std::string& receipt) {
  const Json line = Json::parse(receipt, nullptr, false);
  std::string out;
  if (!line.is_object() || !line.contains("failed") || !line["failed"].is_array()) return out;
  for (const Json& name : line["failed"]) {
    if (name.is_string()) out += (out.empty() ? "" : ", ") + name.get<std::string>();
  }
  return out;
}

std::string json_escaped(const std::string& text) {
  const std::string quoted = line(Json(text));
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace akm::ctl
