#include "dbus/snapshot_reader.h"

#include <algorithm>
#include <array>
#include <span>

#include "dbus/limits.h"
#include "dbus/property.h"

namespace akm::dbus {
namespace {

template <typename T>
Status keep(T& to, Result<T> value) {
  if (!value) return std::unexpected(std::move(value).error());
  to = std::move(*value);
  return {};
}

// Texts are cleaned by the sender; a client cleans them again, those in lists and maps too, because they end
// on a terminal.
void clean(std::string& text) {
  text = clean_text(text, limits::kTextBytes);
}
void clean(std::pair<std::string, std::string>& pair) {
  clean(pair.first);
  clean(pair.second);
}
template <typename T>
Status keep_clean(std::vector<T>& to, Result<std::vector<T>> list) {
  AKM_TRY(keep(to, std::move(list)));
  for (T& one : to) clean(one);
  return {};
}
/// Of keys that differ in unclean bytes alone the first stays.
template <typename T>
Status keep_clean(std::map<std::string, T>& to, Result<std::map<std::string, T>> map) {
  if (!map) return std::unexpected(std::move(map).error());
  to.clear();
  for (auto& [key, value] : *map) {
    if constexpr (std::is_same_v<T, std::string>) clean(value);
    to.emplace(clean_text(key, limits::kTextBytes), std::move(value));
  }
  return {};
}

Status take(Reader& in, std::string& to) {
  AKM_TRY(keep(to, in.text(limits::kTextBytes)));
  clean(to);
  return {};
}
Status take(Reader& in, bool& to) {
  return keep(to, in.boolean());
}
Status take(Reader& in, std::uint8_t& to) {
  return keep(to, in.u8());
}
Status take(Reader& in, std::uint16_t& to) {
  return keep(to, in.u16());
}
Status take(Reader& in, std::uint32_t& to) {
  return keep(to, in.u32());
}
Status take(Reader& in, std::int32_t& to) {
  return keep(to, in.i32());
}
Status take(Reader& in, std::uint64_t& to) {
  return keep(to, in.u64());
}
Status take(Reader& in, std::int64_t& to) {
  return keep(to, in.i64());
}
Status take(Reader& in, std::vector<std::uint64_t>& to) {
  return keep(to, in.u64s(limits::kListItems));
}
Status take(Reader& in, std::map<std::string, std::string>& to) {
  return keep_clean(to, in.text_map(limits::kListItems, limits::kTextBytes));
}
Status take(Reader& in, std::map<std::string, std::uint64_t>& to) {
  return keep_clean(to, in.counter_map(limits::kListItems));
}
Status take(Reader& in, std::vector<std::pair<std::string, std::string>>& to) {
  return keep_clean(to, in.pairs('e', limits::kListItems));
}
Status take(Reader& in, std::vector<std::string>& to) {
  return keep_clean(to, in.texts(limits::kListItems, limits::kTextBytes));
}
Status take(Reader& in, node::NodeState& to) {
  using enum node::NodeState;
  AKM_ASSIGN(const std::string name, in.text(limits::kTextBytes));
  for (const node::NodeState state :
       {sealed_unavailable, unprovisioned, provisioned, activating, active, quarantined}) {
    if (node::node_state_name(state) != name) continue;
    to = state;
    return {};
  }
  return fail(Errc::malformed, "a state that is not known here: use the akmctl of the same version");
}
Status take(Reader& in, std::vector<node::BundleSnapshot>& to) {
  AKM_TRY(in.enter('a', kBundlesType + 1));
  while (true) {
    AKM_ASSIGN(const bool more, in.enter('r', "ssus"));
    if (!more) break;
    if (to.size() == limits::kListItems) return fail(Errc::too_large, "bundles");
    node::BundleSnapshot& one = to.emplace_back();
    AKM_TRY(take(in, one.device));
    AKM_TRY(take(in, one.file));
    AKM_TRY(take(in, one.tries_left));
    AKM_TRY(take(in, one.refusal));
    AKM_TRY(in.exit());
  }
  return in.exit();
}
Status take(Reader& in, std::vector<MemberSnapshot>& to) {
  AKM_TRY(in.enter('a', kMembersType + 1));
  while (true) {
    AKM_ASSIGN(const bool more, in.enter('r', "qtsassuuxxusx"));
    if (!more) break;
    if (to.size() == limits::kNodesPerAsr) return fail(Errc::too_large, "members");
    MemberSnapshot& member = to.emplace_back();
    AKM_TRY(take(in, member.index));
    AKM_TRY(take(in, member.node_id));
    AKM_TRY(take(in, member.name));
    AKM_TRY(take(in, member.endpoints));
    AKM_TRY(take(in, member.state));
    AKM_TRY(take(in, member.generation));
    AKM_TRY(take(in, member.epoch));
    AKM_TRY(take(in, member.since_ns));
    AKM_TRY(take(in, member.last_heard_ns));
    AKM_TRY(take(in, member.sent_generation));
    AKM_TRY(take(in, member.waits_for));
    AKM_TRY(take(in, member.waits_since_ns));
    AKM_TRY(in.exit());
  }
  return in.exit();
}
Status take(Reader& in, std::vector<StragglerSnapshot>& to) {
  AKM_TRY(in.enter('a', kStragglersType + 1));
  while (true) {
    AKM_ASSIGN(const bool more, in.enter('r', "tssx"));
    if (!more) break;
    if (to.size() == limits::kListItems) return fail(Errc::too_large, "stragglers");
    StragglerSnapshot& one = to.emplace_back();
    AKM_TRY(take(in, one.node_id));
    AKM_TRY(take(in, one.name));
    AKM_TRY(take(in, one.waits_for));
    AKM_TRY(take(in, one.since_ns));
    AKM_TRY(in.exit());
  }
  return in.exit();
}
Status take(Reader& in, std::vector<std::uint32_t>& to) {
  return keep(to, in.u32s(limits::kHoldersOfAKey));
}
Status take(Reader& in, std::vector<ExportedKey>& to) {
  AKM_TRY(in.enter('a', kExportedKeysType + 1));
  while (true) {
    AKM_ASSIGN(const bool more, in.enter('r', "sssiuuau"));
    if (!more) break;
    if (to.size() == limits::kExportedKeys) return fail(Errc::too_large, "exported keys");
    ExportedKey& one = to.emplace_back();
    AKM_TRY(take(in, one.name));
    AKM_TRY(take(in, one.context));
    AKM_TRY(take(in, one.type));
    AKM_TRY(take(in, one.serial));
    AKM_TRY(take(in, one.generation));
    AKM_TRY(take(in, one.epoch));
    AKM_TRY(take(in, one.users));
    AKM_TRY(in.exit());
  }
  return in.exit();
}

template <typename Snapshot>
struct Field {
  std::string_view name;
  const char* type;
  Status (*take_into)(Reader& in, Snapshot& snapshot);
};

template <typename Snapshot, auto Member>
constexpr Field<Snapshot> field(std::string_view name, const char* type) {
  return {name, type, [](Reader& in, Snapshot& s) { return take(in, s.*Member); }};
}

template <typename Snapshot>
Result<Snapshot> read_properties(Reader& in, std::span<const Field<Snapshot>> fields) {
  Snapshot snapshot;
  AKM_TRY(in.enter('a', "{sv}"));
  while (true) {
    AKM_ASSIGN(const bool more, in.enter('e', "sv"));
    if (!more) break;
    AKM_ASSIGN(const std::string name, in.text(limits::kTextBytes));
    const auto found =
        std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.name == name; });
    if (found == fields.end()) {
      AKM_TRY(in.skip("v"));
    } else {
      // A variant of another type ends here: entering it fails.
      AKM_TRY(in.enter('v', found->type));
      AKM_TRY(found->take_into(in, snapshot));
      AKM_TRY(in.exit());
    }
    AKM_TRY(in.exit());
  }
  AKM_TRY(in.exit());
  return snapshot;
}

}  // namespace

Result<node::StatusSnapshot> read_node_status(Reader& in) {
  using S = node::StatusSnapshot;
  static constexpr std::array kFields{
      field<S, &S::state>("State", "s"),
      field<S, &S::node_id>("NodeId", "t"),
      field<S, &S::node_name>("NodeName", "s"),
      field<S, &S::nmm_id>("NmmId", "t"),
      field<S, &S::nmm_name>("NmmName", "s"),
      field<S, &S::version>("Version", "s"),
      field<S, &S::key_storage>("KeyStorage", "s"),
      field<S, &S::hardware_protected>("HardwareProtected", "b"),
      field<S, &S::incarnation>("Incarnation", "u"),
      field<S, &S::io_backend>("IoBackend", "s"),
      field<S, &S::listen>("Listen", "s"),
      field<S, &S::keyring>("Keyring", "i"),
      field<S, &S::findings>("Findings", "as"),
      field<S, &S::probes>("Probes", "a{ss}"),
      field<S, &S::bundles>("Bundles", kBundlesType),
      field<S, &S::counters>("Counters", "a{st}"),
      field<S, &S::handover_fingerprint>("HandoverFingerprint", "s"),
      field<S, &S::changed_sources>("ChangedSources", "as"),
  };
  return read_properties<S>(in, kFields);
}

Result<nmm::StatusSnapshot> read_nmm_status(Reader& in) {
  using S = nmm::StatusSnapshot;
  static constexpr std::array kFields{
      field<S, &S::state>("State", "s"),
      field<S, &S::nmm_id>("NmmId", "t"),
      field<S, &S::name>("Name", "s"),
      field<S, &S::version>("Version", "s"),
      field<S, &S::key_storage>("KeyStorage", "s"),
      field<S, &S::hardware_protected>("HardwareProtected", "b"),
      field<S, &S::incarnation>("Incarnation", "u"),
      field<S, &S::io_backend>("IoBackend", "s"),
      field<S, &S::listen>("Listen", "s"),
      field<S, &S::root_state>("RootState", "s"),
      field<S, &S::root_id>("RootId", "t"),
      field<S, &S::root_name>("RootName", "s"),
      field<S, &S::root_since_ns>("RootSince", "x"),
      field<S, &S::findings>("Findings", "as"),
      field<S, &S::probes>("Probes", "a{ss}"),
      field<S, &S::counters>("Counters", "a{st}"),
      field<S, &S::handover_fingerprint>("HandoverFingerprint", "s"),
  };
  return read_properties<S>(in, kFields);
}

Result<root::StatusSnapshot> read_root_status(Reader& in) {
  using S = root::StatusSnapshot;
  static constexpr std::array kFields{
      field<S, &S::state>("State", "s"),
      field<S, &S::root_id>("RootId", "t"),
      field<S, &S::name>("Name", "s"),
      field<S, &S::version>("Version", "s"),
      field<S, &S::key_storage>("KeyStorage", "s"),
      field<S, &S::hardware_protected>("HardwareProtected", "b"),
      field<S, &S::incarnation>("Incarnation", "u"),
      field<S, &S::io_backend>("IoBackend", "s"),
      field<S, &S::listen>("Listen", "s"),
      field<S, &S::database>("Database", "s"),
      field<S, &S::revision>("Revision", "t"),
      field<S, &S::pruned_to>("PrunedTo", "t"),
      field<S, &S::findings>("Findings", "as"),
      field<S, &S::counters>("Counters", "a{st}"),
  };
  return read_properties<S>(in, kFields);
}

Result<AsrSnapshot> read_asr(Reader& in) {
  using S = AsrSnapshot;
  static constexpr std::array kFields{
      field<S, &S::id>("Id", "t"),
      field<S, &S::kind>("Kind", "s"),
      field<S, &S::label>("Label", "s"),
      field<S, &S::suite>("Suite", "s"),
      field<S, &S::generation>("Generation", "u"),
      field<S, &S::epoch>("Epoch", "u"),
      field<S, &S::phase>("Phase", "s"),
      field<S, &S::key_check>("KeyCheck", "s"),
      field<S, &S::roster_hash>("RosterHash", "s"),
      field<S, &S::own_index>("OwnIndex", "q"),
      field<S, &S::members>("Members", kMembersType),
      field<S, &S::policy>("Policy", "a{ss}"),
      field<S, &S::now_ns>("Now", "x"),
      field<S, &S::since_ns>("Since", "x"),
      field<S, &S::phase_since_ns>("PhaseSince", "x"),
      field<S, &S::chain>("Chain", "s"),
      field<S, &S::target>("Target", "u"),
      field<S, &S::installed_generation>("InstalledGeneration", "u"),
      field<S, &S::waits_for>("WaitsFor", "s"),
      field<S, &S::waits_until_ns>("WaitsUntil", "x"),
      field<S, &S::stragglers>("Stragglers", kStragglersType),
      field<S, &S::counters>("Counters", "a{st}"),
      field<S, &S::exported_keys>("ExportedKeys", kExportedKeysType),
  };
  return read_properties<S>(in, kFields);
}

Result<std::vector<AsrSnapshot>> read_managed_asrs(Reader& in) {
  std::vector<AsrSnapshot> asrs;
  AKM_TRY(in.enter('a', "{oa{sa{sv}}}"));
  for (std::size_t objects = 0;; ++objects) {
    AKM_ASSIGN(const bool more_objects, in.enter('e', "oa{sa{sv}}"));
    if (!more_objects) break;
    if (objects == limits::kObjects) return fail(Errc::too_large, "objects");
    AKM_TRY(in.skip("o"));
    AKM_TRY(in.enter('a', "{sa{sv}}"));
    for (std::size_t interfaces = 0;; ++interfaces) {
      AKM_ASSIGN(const bool more_interfaces, in.enter('e', "sa{sv}"));
      if (!more_interfaces) break;
      if (interfaces == limits::kInterfaces) return fail(Errc::too_large, "interfaces of an object");
      AKM_ASSIGN(const std::string interface, in.text(limits::kTextBytes));
      if (interface == "org.akm.Asr1") {
        AKM_ASSIGN(AsrSnapshot asr, read_asr(in));
        asrs.push_back(std::move(asr));
      } else {
        AKM_TRY(in.skip("a{sv}"));
      }
      AKM_TRY(in.exit());
    }
    AKM_TRY(in.exit());
    AKM_TRY(in.exit());
  }
  AKM_TRY(in.exit());
  std::ranges::sort(asrs, {}, &AsrSnapshot::id);
  return asrs;
}

Result<std::vector<nmm::NodeSnapshot>> read_nodes(Reader& in) {
  std::vector<nmm::NodeSnapshot> nodes;
  AKM_TRY(in.enter('a', "(tssusxats)"));
  while (true) {
    AKM_ASSIGN(const bool more, in.enter('r', "tssusxats"));
    if (!more) break;
    if (nodes.size() == limits::kListItems) return fail(Errc::too_large, "nodes");
    nmm::NodeSnapshot& node = nodes.emplace_back();
    AKM_TRY(take(in, node.node_id));
    AKM_TRY(take(in, node.name));
    AKM_TRY(take(in, node.state));
    AKM_TRY(take(in, node.serial));
    AKM_TRY(take(in, node.endpoint));
    AKM_TRY(take(in, node.last_heard_ns));
    AKM_TRY(take(in, node.asrs));
    AKM_TRY(take(in, node.version));
    AKM_TRY(in.exit());
  }
  AKM_TRY(in.exit());
  return nodes;
}

Result<std::vector<nmm::DriveSnapshot>> read_drives(Reader& in) {
  std::vector<nmm::DriveSnapshot> drives;
  AKM_TRY(in.enter('a', "(sstsass)"));
  while (true) {
    AKM_ASSIGN(const bool more, in.enter('r', "sstsass"));
    if (!more) break;
    if (drives.size() == limits::kListItems) return fail(Errc::too_large, "drives");
    nmm::DriveSnapshot& drive = drives.emplace_back();
    AKM_TRY(take(in, drive.device));
    AKM_TRY(take(in, drive.model));
    AKM_TRY(take(in, drive.bytes));
    AKM_TRY(take(in, drive.filesystem));
    AKM_TRY(take(in, drive.mounted_at));
    AKM_TRY(take(in, drive.refusal));
    AKM_TRY(in.exit());
  }
  AKM_TRY(in.exit());
  return drives;
}

Result<EventRecord> read_event(Reader& in) {
  EventRecord event;
  AKM_TRY(take(in, event.name));
  AKM_TRY(take(in, event.severity));
  AKM_TRY(take(in, event.boottime_ns));
  AKM_TRY(take(in, event.asr_id));
  AKM_TRY(take(in, event.fields));
  return event;
}

}  // namespace akm::dbus
