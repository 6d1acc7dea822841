#pragma once
// A snapshot's fields as D-Bus properties: one table for reading them and for telling which of them changed.
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/node/control_port.h"
#include "dbus/message.h"

namespace akm::dbus {

inline constexpr const char* kMembersType = "a(qtsassuuxxusx)";
inline constexpr const char* kBundlesType = "a(ssus)";
inline constexpr const char* kStragglersType = "a(tssx)";
inline constexpr const char* kExportedKeysType = "a(sssiuuau)";

inline void put(Writer& out, const std::string& value) {
  out.text(value);
}
inline void put(Writer& out, bool value) {
  out.boolean(value);
}
inline void put(Writer& out, std::uint16_t value) {
  out.u16(value);
}
inline void put(Writer& out, std::uint32_t value) {
  out.u32(value);
}
inline void put(Writer& out, std::int32_t value) {
  out.i32(value);
}
inline void put(Writer& out, std::uint64_t value) {
  out.u64(value);
}
inline void put(Writer& out, std::int64_t value) {
  out.i64(value);
}
inline void put(Writer& out, const std::vector<std::string>& value) {
  out.texts(value);
}
inline void put(Writer& out, const std::map<std::string, std::string>& value) {
  out.text_map(value);
}
inline void put(Writer& out, const std::map<std::string, std::uint64_t>& value) {
  out.counter_map(value);
}
inline void put(Writer& out, const std::vector<std::pair<std::string, std::string>>& value) {
  out.pairs('e', value);
}
inline void put(Writer& out, const std::vector<node::BundleSnapshot>& bundles) {
  out.open('a', kBundlesType + 1);
  for (const node::BundleSnapshot& one : bundles) {
    out.open('r', "ssus").text(one.device).text(one.file).u32(one.tries_left).text(one.refusal).close();
  }
  out.close();
}
inline void put(Writer& out, const std::vector<MemberSnapshot>& members) {
  out.open('a', kMembersType + 1);
  for (const MemberSnapshot& member : members) {
    out.open('r', "qtsassuuxxusx").u16(member.index).u64(member.node_id).text(member.name);
    out.texts(member.endpoints).text(member.state).u32(member.generation).u32(member.epoch);
    out.i64(member.since_ns).i64(member.last_heard_ns).u32(member.sent_generation);
    out.text(member.waits_for).i64(member.waits_since_ns).close();
  }
  out.close();
}
inline void put(Writer& out, const std::vector<StragglerSnapshot>& stragglers) {
  out.open('a', kStragglersType + 1);
  for (const StragglerSnapshot& one : stragglers) {
    out.open('r', "tssx").u64(one.node_id).text(one.name).text(one.waits_for).i64(one.since_ns).close();
  }
  out.close();
}

inline void put(Writer& out, const std::vector<ExportedKey>& keys) {
  out.open('a', kExportedKeysType + 1);
  for (const ExportedKey& one : keys) {
    out.open('r', "sssiuuau").text(one.name).text(one.context).text(one.type).i32(one.serial);
    out.u32(one.generation).u32(one.epoch).u32s(one.users).close();
  }
  out.close();
}

template <typename Snapshot>
struct Property {
  const char* name;
  bool signals_change;  // the same as in the vtable
  void (*append)(Writer& out, const Snapshot& snapshot);
  bool (*equal)(const Snapshot& a, const Snapshot& b);
};

template <typename Snapshot, auto Member>
constexpr Property<Snapshot> property(const char* name, bool signals_change = true) {
  return {name, signals_change, [](Writer& out, const Snapshot& s) { put(out, s.*Member); },
          [](const Snapshot& a, const Snapshot& b) { return a.*Member == b.*Member; }};
}

/// Appends the named property; false when there is none of that name.
template <typename Snapshot>
bool append_property(std::span<const Property<Snapshot>> table, const std::string& name,
                     const Snapshot& snapshot, Writer& out) {
  for (const Property<Snapshot>& entry : table) {
    if (name != entry.name) continue;
    entry.append(out, snapshot);
    return true;
  }
  return false;
}

/// Names of those that signal and are different.
template <typename Snapshot>
std::vector<std::string> changed_properties(std::span<const Property<Snapshot>> table, const Snapshot& before,
                                            const Snapshot& after) {
  std::vector<std::string> names;
  for (const Property<Snapshot>& entry : table) {
    if (entry.signals_change && !entry.equal(before, after)) names.emplace_back(entry.name);
  }
  return names;
}

}  // namespace akm::dbus
