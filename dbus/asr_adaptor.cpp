#include "dbus/asr_adaptor.h"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "daemon/base/hex.h"
#include "dbus/arguments.h"
#include "dbus/errors.h"
#include "dbus/limits.h"
#include "dbus/property.h"
#include "dbus/signals.h"

namespace akm::dbus {
namespace {

constexpr const char* kInterface = "org.akm.Asr1";

/// When a member was last heard changes with every frame: no reason to signal the whole roster again.
Property<AsrSnapshot> members_property() {
  Property<AsrSnapshot> out = property<AsrSnapshot, &AsrSnapshot::members>("Members");
  out.equal = [](const AsrSnapshot& a, const AsrSnapshot& b) {
    return std::ranges::equal(a.members, b.members, [](MemberSnapshot before, const MemberSnapshot& after) {
      before.last_heard_ns = after.last_heard_ns;
      return before == after;
    });
  };
  return out;
}

// As in interfaces/org.akm.Asr1.xml. What moves within an agreement or a rollout does not signal.
std::span<const Property<AsrSnapshot>> properties() {
  static const std::array table{
      property<AsrSnapshot, &AsrSnapshot::id>("Id", false),
      property<AsrSnapshot, &AsrSnapshot::kind>("Kind", false),
      property<AsrSnapshot, &AsrSnapshot::label>("Label"),
      property<AsrSnapshot, &AsrSnapshot::suite>("Suite"),
      property<AsrSnapshot, &AsrSnapshot::generation>("Generation"),
      property<AsrSnapshot, &AsrSnapshot::epoch>("Epoch"),
      property<AsrSnapshot, &AsrSnapshot::phase>("Phase"),
      property<AsrSnapshot, &AsrSnapshot::key_check>("KeyCheck"),
      property<AsrSnapshot, &AsrSnapshot::roster_hash>("RosterHash"),
      property<AsrSnapshot, &AsrSnapshot::own_index>("OwnIndex"),
      members_property(),
      property<AsrSnapshot, &AsrSnapshot::policy>("Policy"),
      property<AsrSnapshot, &AsrSnapshot::now_ns>("Now", false),
      property<AsrSnapshot, &AsrSnapshot::since_ns>("Since"),
      property<AsrSnapshot, &AsrSnapshot::phase_since_ns>("PhaseSince", false),
      property<AsrSnapshot, &AsrSnapshot::chain>("Chain", false),
      property<AsrSnapshot, &AsrSnapshot::target>("Target", false),
      property<AsrSnapshot, &AsrSnapshot::installed_generation>("InstalledGeneration", false),
      property<AsrSnapshot, &AsrSnapshot::waits_for>("WaitsFor", false),
      property<AsrSnapshot, &AsrSnapshot::waits_until_ns>("WaitsUntil", false),
      property<AsrSnapshot, &AsrSnapshot::stragglers>("Stragglers", false),
      property<AsrSnapshot, &AsrSnapshot::counters>("Counters", false),
      property<AsrSnapshot, &AsrSnapshot::exported_keys>("ExportedKeys", false),
  };
  return table;
}

}  // namespace

struct AsrAdaptor::Vtable {
  static int get(sd_bus*, const char* path, const char*, const char* name, sd_bus_message* reply, void* self,
                 sd_bus_error*) {
    const AsrSnapshot* asr = static_cast<AsrAdaptor*>(self)->find(path);
    if (asr == nullptr) return -ENOENT;
    Writer out(reply);
    append_property<AsrSnapshot>(properties(), name, *asr, out);
    return out.status();
  }
  static int find(sd_bus*, const char* path, const char*, void* self, void** found, sd_bus_error*) {
    if (static_cast<AsrAdaptor*>(self)->find(path) == nullptr) return 0;
    *found = self;
    return 1;
  }
  static int rekey(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto* self = static_cast<AsrAdaptor*>(userdata);
    return dispatch(self->authorizer_, message, self->rekey(sd_bus_message_get_path(message)));
  }
  template <auto Parse>
  static int caller_method(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto* self = static_cast<AsrAdaptor*>(userdata);
    return dispatch_caller(self->authorizer_, message, (self->*Parse)(message));
  }
  static int enumerate(sd_bus*, const char*, void* self, char*** nodes, sd_bus_error*) {
    auto* adaptor = static_cast<AsrAdaptor*>(self);
    const auto& asrs = adaptor->current();
    // sd-bus frees the list and its texts with free(3).
    auto** list = static_cast<char**>(std::calloc(asrs.size() + 1, sizeof(char*)));
    if (list == nullptr) return -ENOMEM;
    std::size_t count = 0;
    for (const auto& [id, asr] : asrs) {
      list[count] = strdup(adaptor->path_of(id).c_str());
      if (list[count] == nullptr) break;  // the shorter list is still a list
      ++count;
    }
    *nodes = list;
    return 0;
  }
  static const sd_bus_vtable* table();
};

const sd_bus_vtable* AsrAdaptor::Vtable::table() {
  constexpr std::uint64_t kOpen = SD_BUS_VTABLE_UNPRIVILEGED;  // the authorizer decides, not sd-bus
  constexpr std::uint64_t kSignals = SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE;
  constexpr std::uint64_t kConst = SD_BUS_VTABLE_PROPERTY_CONST;
  static const sd_bus_vtable kTable[] = {
      SD_BUS_VTABLE_START(0),
      SD_BUS_METHOD_WITH_ARGS("Rekey", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, rekey, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ExportKey", SD_BUS_ARGS("s", name, "ay", context, "s", type, "i", keyring),
                              SD_BUS_RESULT("i", serial), caller_method<&AsrAdaptor::export_key>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ReleaseKey", SD_BUS_ARGS("i", serial), SD_BUS_NO_RESULT,
                              caller_method<&AsrAdaptor::release_key>, kOpen),
      SD_BUS_SIGNAL_WITH_ARGS("KeyRenewed", SD_BUS_ARGS("s", name, "i", serial, "u", generation, "u", epoch),
                              0),
      SD_BUS_SIGNAL_WITH_ARGS("KeyRevoked", SD_BUS_ARGS("s", name, "i", serial), 0),
      SD_BUS_PROPERTY("Id", "t", get, 0, kConst),
      SD_BUS_PROPERTY("Kind", "s", get, 0, kConst),
      SD_BUS_PROPERTY("Label", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("Suite", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("Generation", "u", get, 0, kSignals),
      SD_BUS_PROPERTY("Epoch", "u", get, 0, kSignals),
      SD_BUS_PROPERTY("Phase", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("KeyCheck", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("RosterHash", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("OwnIndex", "q", get, 0, kSignals),
      SD_BUS_PROPERTY("Members", kMembersType, get, 0, kSignals),
      SD_BUS_PROPERTY("Policy", "a{ss}", get, 0, kSignals),
      SD_BUS_PROPERTY("Now", "x", get, 0, 0),
      SD_BUS_PROPERTY("Since", "x", get, 0, kSignals),
      SD_BUS_PROPERTY("PhaseSince", "x", get, 0, 0),
      SD_BUS_PROPERTY("Chain", "s", get, 0, 0),
      SD_BUS_PROPERTY("Target", "u", get, 0, 0),
      SD_BUS_PROPERTY("InstalledGeneration", "u", get, 0, 0),
      SD_BUS_PROPERTY("WaitsFor", "s", get, 0, 0),
      SD_BUS_PROPERTY("WaitsUntil", "x", get, 0, 0),
      SD_BUS_PROPERTY("Stragglers", kStragglersType, get, 0, 0),
      SD_BUS_PROPERTY("Counters", "a{st}", get, 0, 0),
      SD_BUS_PROPERTY("ExportedKeys", kExportedKeysType, get, 0, 0),
      SD_BUS_VTABLE_END,
  };
  return kTable;
}

AsrAdaptor::AsrAdaptor(Bus& bus, Authorizer& authorizer, std::string root, Source source)
    : bus_(bus), authorizer_(authorizer), root_(std::move(root)), source_(std::move(source)) {
  bus_.add_export([this](sd_bus* handle) { return export_on(handle); });
  bus_.add_flush([this] { flush(); });
}

std::string AsrAdaptor::path_of(std::uint64_t asr_id) const {
  return root_ + "/asr/" + hex_id(asr_id);
}

Status AsrAdaptor::export_on(sd_bus* bus) {
  const std::string prefix = root_ + "/asr";
  int r = sd_bus_add_object_manager(bus, nullptr, root_.c_str());
  if (r >= 0)
    r = sd_bus_add_fallback_vtable(bus, nullptr, prefix.c_str(), kInterface, Vtable::table(), Vtable::find,
                                   this);
  if (r >= 0) r = sd_bus_add_node_enumerator(bus, nullptr, prefix.c_str(), Vtable::enumerate, this);
  if (r < 0) return std::unexpected(error_from_errno(r, "exporting org.akm.Asr1"));
  // Who connects to a new bus asks for the objects; there is nothing to signal.
  announced_ = current();
  dirty_.clear();
  return {};
}

const std::map<std::uint64_t, AsrSnapshot>& AsrAdaptor::current() {
  if (fresh_for_ != bus_.message_number()) {
    fresh_.clear();
    for (AsrSnapshot& asr : source_.asrs()) {
      const std::uint64_t id = asr.id;
      fresh_.emplace(id, std::move(asr));
    }
    fresh_for_ = bus_.message_number();
  }
  return fresh_;
}

const AsrSnapshot* AsrAdaptor::find(const char* path) {
  const std::string_view text(path);
  if (!text.starts_with(root_) || text.size() != root_.size() + std::string_view("/asr/").size() + 16)
    return nullptr;
  const Result<std::uint64_t> id = parse_hex_id(text.substr(text.size() - 16));
  if (!id || path_of(*id) != text) return nullptr;
  if (removing_ != nullptr && removing_->id == *id) return removing_;
  const auto at = current().find(*id);
  return at == fresh_.end() ? nullptr : &at->second;
}

void AsrAdaptor::flush() {
  if (bus_.handle() == nullptr) return;
  const std::set<std::uint64_t> dirty = std::exchange(dirty_, {});
  for (const std::uint64_t id : dirty) announce(id);
}

void AsrAdaptor::announce(std::uint64_t asr_id) {
  const std::string path = path_of(asr_id);
  const auto now = current().find(asr_id);
  const auto before = announced_.find(asr_id);
  if (now != fresh_.end() && before == announced_.end()) {
    announced_.emplace(asr_id, now->second);
    (void)sd_bus_emit_object_added(bus_.handle(), path.c_str());
  } else if (now != fresh_.end()) {
    const auto names = changed_properties<AsrSnapshot>(properties(), before->second, now->second);
    before->second = now->second;
    emit_changed(bus_.handle(), path.c_str(), kInterface, names);
  } else if (before != announced_.end()) {
    removing_ = &before->second;
    (void)sd_bus_emit_object_removed(bus_.handle(), path.c_str());
    removing_ = nullptr;
    announced_.erase(before);
  }
}

Result<Action> AsrAdaptor::rekey(const char* path) {
  const AsrSnapshot* asr = find(path);
  if (asr == nullptr) return fail(Errc::not_found, path);
  return [this, id = asr->id](Call call) { source_.rekey(id, Call::done(std::move(call))); };
}

Result<CallerAction> AsrAdaptor::export_key(sd_bus_message* message) {
  const AsrSnapshot* asr = find(sd_bus_message_get_path(message));
  if (asr == nullptr) return fail(Errc::not_found, sd_bus_message_get_path(message));
  if (!source_.export_key) return fail(Errc::not_supported, "keys are exported by nodes");
  Reader in(message);
  node::ControlPort::KeyExport what;
  what.asr_id = asr->id;
  AKM_ASSIGN(what.name, read_name(in, "the name of the consumer"));
  AKM_ASSIGN(what.context, in.bytes(limits::kContextBytes));
  AKM_ASSIGN(what.type, in.text(limits::kNameBytes));
  AKM_ASSIGN(what.keyring, in.i32());
  return [this, what = std::move(what)](Call call, const Caller& caller) {
    const Result<std::int32_t> serial = source_.export_key(what, caller);
    if (!serial) return call.fail(serial.error());
    call.reply([&](Writer& out) { out.i32(*serial); });
  };
}

Result<CallerAction> AsrAdaptor::release_key(sd_bus_message* message) {
  const AsrSnapshot* asr = find(sd_bus_message_get_path(message));
  if (asr == nullptr) return fail(Errc::not_found, sd_bus_message_get_path(message));
  if (!source_.release_key) return fail(Errc::not_supported, "keys are exported by nodes");
  Reader in(message);
  AKM_ASSIGN(const std::int32_t serial, in.i32());
  return [this, id = asr->id, serial](Call call, const Caller& caller) {
    Call::done(std::move(call))(source_.release_key(id, serial, caller));
  };
}

void AsrAdaptor::key_changed(std::uint64_t asr_id, const ExportedKey& key, bool revoked) {
  emit_key_changed(bus_.handle(), path_of(asr_id).c_str(), kInterface, key, revoked);
}

}  // namespace akm::dbus
