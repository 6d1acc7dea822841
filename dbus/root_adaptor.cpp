#include "dbus/root_adaptor.h"

#include <systemd/sd-bus.h>

#include <array>
#include <span>
#include <vector>

#include "dbus/arguments.h"
#include "dbus/direct_address.h"
#include "dbus/direct_offer.h"
#include "dbus/errors.h"
#include "dbus/limits.h"
#include "dbus/root_rows.h"

namespace akm::dbus {
namespace {

using Snapshot = root::StatusSnapshot;

// As in interfaces/org.akm.Root1.xml; Counters only grow and Version is constant, so they do not signal.
std::span<const Property<Snapshot>> properties() {
  static const std::array table{
      property<Snapshot, &Snapshot::state>("State"),
      property<Snapshot, &Snapshot::root_id>("RootId"),
      property<Snapshot, &Snapshot::name>("Name"),
      property<Snapshot, &Snapshot::version>("Version", false),
      property<Snapshot, &Snapshot::key_storage>("KeyStorage"),
      property<Snapshot, &Snapshot::hardware_protected>("HardwareProtected"),
      property<Snapshot, &Snapshot::incarnation>("Incarnation"),
      property<Snapshot, &Snapshot::io_backend>("IoBackend"),
      property<Snapshot, &Snapshot::listen>("Listen"),
      property<Snapshot, &Snapshot::database>("Database"),
      property<Snapshot, &Snapshot::revision>("Revision"),
      property<Snapshot, &Snapshot::pruned_to>("PrunedTo"),
      property<Snapshot, &Snapshot::findings>("Findings"),
      property<Snapshot, &Snapshot::counters>("Counters", false),
  };
  return table;
}

}  // namespace

struct RootAdaptor::Vtable {
  static int get(sd_bus*, const char*, const char*, const char* name, sd_bus_message* reply, void* self,
                 sd_bus_error*) {
    Writer out(reply);
    static_cast<RootAdaptor*>(self)->status_.append(name, out);
    return out.status();
  }
  template <auto Parse>
  static int method(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto* self = static_cast<RootAdaptor*>(userdata);
    Reader in(message);
    self->root_only_ = false;
    Result<Action> parsed = (self->*Parse)(in);
    return dispatch(self->authorizer_, message, std::move(parsed), self->root_only_);
  }
  static constexpr std::uint64_t kOpen = SD_BUS_VTABLE_UNPRIVILEGED;  // the authorizer decides, not sd-bus
  using Self = RootAdaptor;
  static std::span<const sd_bus_vtable> nmm_methods();
  static std::span<const sd_bus_vtable> record_methods();
  static std::span<const sd_bus_vtable> properties_and_signals();
  static const sd_bus_vtable* table();
};

std::span<const sd_bus_vtable> RootAdaptor::Vtable::nmm_methods() {
  static const sd_bus_vtable kTable[] = {
      SD_BUS_METHOD_WITH_ARGS("CreateRootSecret", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                              method<&Self::create_root_secret>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ListNmms", SD_BUS_NO_ARGS, SD_BUS_ARGS("a(tssusxsuu)", nmms),
                              method<&Self::list_nmms>, kOpen),
      SD_BUS_METHOD_WITH_ARGS(
          "PrepareNmm",
          SD_BUS_ARGS("s", name, "t", adopt_id, "ay", hardware_value, "as", endpoints, "s", directory),
          SD_BUS_ARGS("t", nmm_id, "s", path, "h", code), method<&Self::prepare_nmm>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ProvisionNmm", SD_BUS_ARGS("s", name, "as", endpoints, "s", bus_address),
                              SD_BUS_ARGS("t", nmm_id), method<&Self::provision_nmm>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ReplaceNmm", SD_BUS_ARGS("t", nmm_id, "ay", hardware_value, "s", directory),
                              SD_BUS_ARGS("t", replaced_id, "s", path, "h", code), method<&Self::replace_nmm>,
                              kOpen),
      SD_BUS_METHOD_WITH_ARGS("ReplaceNmmDirect", SD_BUS_ARGS("t", nmm_id, "s", bus_address),
                              SD_BUS_ARGS("t", replaced_id), method<&Self::replace_nmm_direct>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("PrepareNmmOnToken",
                              SD_BUS_ARGS("s", name, "t", adopt_id, "t", replaces, "ay", hardware_value, "as",
                                          endpoints, "s", uri, "h", pin),
                              SD_BUS_ARGS("t", nmm_id, "s", token, "b", sealed),
                              method<&Self::prepare_nmm_on_token>, kOpen),
      SD_BUS_METHOD_WITH_ARGS(
          "PrepareNmmForTpm",
          SD_BUS_ARGS("s", name, "t", adopt_id, "t", replaces, "as", endpoints, "ay", identity, "s", place),
          SD_BUS_ARGS("t", nmm_id, "s", path, "s", fingerprint, "s", digest, "b", certified, "s",
                      certificate),
          method<&Self::prepare_nmm_for_tpm>, kOpen),
      SD_BUS_METHOD_WITH_ARGS(
          "BeginDirect", SD_BUS_ARGS("s", name, "as", endpoints, "t", replaces, "s", bus_address),
          SD_BUS_ARGS("t", handle, "s", fingerprint, "ay", value, "a(ss)", sources, "b", confirm),
          method<&Self::begin_direct>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ConfirmDirect", SD_BUS_ARGS("t", handle, "s", fingerprint),
                              SD_BUS_ARGS("t", nmm_id), method<&Self::confirm_direct>, kOpen),
  };
  return kTable;
}

std::span<const sd_bus_vtable> RootAdaptor::Vtable::record_methods() {
  static const sd_bus_vtable kTable[] = {
      SD_BUS_METHOD_WITH_ARGS("PruneHistory", SD_BUS_ARGS("t", revision), SD_BUS_ARGS("t", rows),
                              method<&Self::prune_history>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ListReports",
                              SD_BUS_ARGS("s", kind, "t", nmm_id, "t", after_nmm, "t", after_id),
                              SD_BUS_ARGS("a(tttxa{ss})", rows), method<&Self::list_reports>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ListIncidents", SD_BUS_ARGS("t", nmm_id, "t", after),
                              SD_BUS_ARGS("a(ttxsytta{ss})", rows), method<&Self::list_incidents>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ListRecords", SD_BUS_ARGS("s", kind, "t", after),
                              SD_BUS_ARGS("a(tta{ss})", rows), method<&Self::list_records>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("GetRecord", SD_BUS_ARGS("s", kind, "t", id),
                              SD_BUS_ARGS("t", revision, "a{ss}", fields), method<&Self::get_record>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("SetRecord",
                              SD_BUS_ARGS("s", kind, "t", id, "a{ss}", changes, "x", expected_revision),
                              SD_BUS_ARGS("t", revision), method<&Self::set_record>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("RemoveRecord", SD_BUS_ARGS("s", kind, "t", id), SD_BUS_ARGS("t", revision),
                              method<&Self::remove_record>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ListHistory", SD_BUS_ARGS("t", after),
                              SD_BUS_ARGS("a(txststsa{ss}a{ss})", rows), method<&Self::list_history>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("Diff", SD_BUS_ARGS("t", from, "t", to), SD_BUS_ARGS("a(stsbsbs)", rows),
                              method<&Self::diff>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("Rollback", SD_BUS_ARGS("t", to), SD_BUS_ARGS("t", revision),
                              method<&Self::rollback>, kOpen),
  };
  return kTable;
}

std::span<const sd_bus_vtable> RootAdaptor::Vtable::properties_and_signals() {
  constexpr std::uint64_t kSignals = SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE;
  constexpr std::uint64_t kConst = SD_BUS_VTABLE_PROPERTY_CONST;
  static const sd_bus_vtable kTable[] = {
      SD_BUS_SIGNAL_WITH_ARGS(
          "Event", SD_BUS_ARGS("s", name, "y", severity, "x", boottime_ns, "t", asr_id, "a{ss}", fields), 0),
      SD_BUS_PROPERTY("State", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("RootId", "t", get, 0, kSignals),
      SD_BUS_PROPERTY("Name", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("Version", "s", get, 0, kConst),
      SD_BUS_PROPERTY("KeyStorage", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("HardwareProtected", "b", get, 0, kSignals),
      SD_BUS_PROPERTY("Incarnation", "u", get, 0, kSignals),
      SD_BUS_PROPERTY("IoBackend", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("Listen", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("Database", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("Revision", "t", get, 0, kSignals),
      SD_BUS_PROPERTY("PrunedTo", "t", get, 0, kSignals),
      SD_BUS_PROPERTY("Findings", "as", get, 0, kSignals),
      SD_BUS_PROPERTY("Counters", "a{st}", get, 0, 0),
      SD_BUS_VTABLE_END,
  };
  return kTable;
}

const sd_bus_vtable* RootAdaptor::Vtable::table() {
  static const std::vector<sd_bus_vtable> kWhole = [] {
    std::vector<sd_bus_vtable> out{SD_BUS_VTABLE_START(0)};
    for (const auto part : {nmm_methods(), record_methods(), properties_and_signals()})
      out.insert(out.end(), part.begin(), part.end());
    return out;
  }();
  return kWhole.data();
}

RootAdaptor::RootAdaptor(Bus& bus, Authorizer& authorizer, root::ControlPort& port)
    : authorizer_(authorizer),
      port_(port),
      status_(bus, port, {kRootPath, kRootName, properties(), Vtable::table(), this}) {}

Observer RootAdaptor::observer() {
  return Observer{
      .status_changed = [this] { status_.changed(); },
      .asr_changed = [](std::uint64_t) {},
      .event = [this](const EventRecord& event) { status_.event(event); },
  };
}

namespace {

Reply<std::uint64_t> number_reply(Call call) {
  return [call = std::move(call)](const Result<std::uint64_t>& number) mutable {
    if (!number) return call.fail(number.error());
    call.reply([&](Writer& out) { out.u64(*number); });
  };
}

Reply<root::ControlPort::Prepared> prepared_reply(Call call) {
  return [call = std::move(call)](const Result<root::ControlPort::Prepared>& prepared) mutable {
    if (!prepared) return call.fail(prepared.error());
    call.reply([&](Writer& out) { out.u64(prepared->nmm_id).text(prepared->path).fd(prepared->code.get()); });
  };
}

// Answers with rows, or with the error.
template <typename Rows>
Reply<Rows> rows_reply(Call call) {
  return [call = std::move(call)](const Result<Rows>& rows) mutable {
    if (!rows) return call.fail(rows.error());
    call.reply([&](Writer& out) { append_rows(out, *rows); });
  };
}

Result<store::RecordKind> read_kind(Reader& in) {
  AKM_ASSIGN(const std::string name, in.text(limits::kNameBytes));
  return store::kind_from(name);
}

}  // namespace

Result<Action> RootAdaptor::create_root_secret(Reader&) {
  return [this](Call call) { port_.create_root_secret(Call::done(std::move(call))); };
}

Result<Action> RootAdaptor::list_nmms(Reader&) {
  return [this](Call call) { call.reply([&](Writer& out) { append_rows(out, port_.nmms()); }); };
}

Result<Action> RootAdaptor::prepare_nmm(Reader& in) {
  root::ControlPort::Prepare what;
  AKM_ASSIGN(what.nmm_name, read_name(in, "the name of the NMM"));
  AKM_ASSIGN(what.nmm_id, in.u64());
  AKM_ASSIGN(what.hardware_value, read_hardware_value(in));
  AKM_ASSIGN(what.nmm_endpoints, read_endpoints(in));
  AKM_ASSIGN(std::string directory, read_path(in, "the directory"));
  return [this, what = std::move(what), directory = std::move(directory)](Call call) mutable {
    const std::string who = call.who();
    port_.prepare_nmm(std::move(what), directory, who, prepared_reply(std::move(call)));
  };
}

Result<Action> RootAdaptor::provision_nmm(Reader& in) {
  root::ControlPort::Prepare what;
  AKM_ASSIGN(what.nmm_name, read_name(in, "the name of the NMM"));
  AKM_ASSIGN(what.nmm_endpoints, read_endpoints(in));
  AKM_ASSIGN(std::string address, in.text(limits::kAddressBytes));
  root_only_ = needs_root(address);  // which addresses there are is the role's policy
  return [this, what = std::move(what), address = std::move(address)](Call call) mutable {
    const std::string who = call.who();
    port_.provision_nmm(std::move(what), address, who, number_reply(std::move(call)));
  };
}

Result<Action> RootAdaptor::replace_nmm(Reader& in) {
  AKM_ASSIGN(const std::uint64_t nmm_id, read_id(in, "the id of the NMM"));
  AKM_ASSIGN(auto hardware_value, read_hardware_value(in));
  AKM_ASSIGN(std::string directory, read_path(in, "the directory"));
  return [this, nmm_id, hardware_value = std::move(hardware_value),
          directory = std::move(directory)](Call call) mutable {
    const std::string who = call.who();
    port_.replace_nmm(nmm_id, std::move(hardware_value), directory, who, prepared_reply(std::move(call)));
  };
}

Result<Action> RootAdaptor::replace_nmm_direct(Reader& in) {
  AKM_ASSIGN(const std::uint64_t nmm_id, read_id(in, "the id of the NMM"));
  AKM_ASSIGN(std::string address, in.text(limits::kAddressBytes));
  root_only_ = needs_root(address);  // which addresses there are is the role's policy
  return [this, nmm_id, address = std::move(address)](Call call) {
    const std::string who = call.who();
    port_.replace_nmm_direct(nmm_id, address, who, number_reply(std::move(call)));
  };
}

Result<Action> RootAdaptor::prepare_nmm_on_token(Reader& in) {
  root::ControlPort::Prepare what;
  AKM_ASSIGN(what.nmm_name, in.text(limits::kNameBytes));  // empty where it is the lost one's
  AKM_ASSIGN(what.nmm_id, in.u64());
  AKM_ASSIGN(what.replaces, in.u64());
  AKM_ASSIGN(what.hardware_value, read_hardware_value(in));
  AKM_ASSIGN(what.nmm_endpoints, read_endpoints(in));
  AKM_ASSIGN(std::string uri, read_token_uri(in));
  AKM_ASSIGN(UniqueFd pin, read_sealed_fd(in, limits::kPinBytes));
  return [this, what = std::move(what), uri = std::move(uri), pin = std::move(pin)](Call call) mutable {
    const std::string who = call.who();
    auto reply = [call = std::move(call)](const Result<root::ControlPort::PreparedOnToken>& made) mutable {
      if (!made) return call.fail(made.error());
      call.reply([&](Writer& out) { out.u64(made->nmm_id).text(made->token).boolean(made->sealed); });
    };
    port_.prepare_nmm_on_token(std::move(what), uri, std::move(pin), who, std::move(reply));
  };
}

Result<Action> RootAdaptor::prepare_nmm_for_tpm(Reader& in) {
  root::ControlPort::Prepare what;
  AKM_ASSIGN(what.nmm_name, in.text(limits::kNameBytes));  // empty where it is the lost one's
  AKM_ASSIGN(what.nmm_id, in.u64());
  AKM_ASSIGN(what.replaces, in.u64());
  AKM_ASSIGN(what.nmm_endpoints, read_endpoints(in));
  AKM_ASSIGN(auto identity, in.bytes(limits::kIdentityBytes));
  AKM_ASSIGN(std::string place, read_path(in, "the directory"));
  return [this, what = std::move(what), identity = std::move(identity),
          place = std::move(place)](Call call) mutable {
    const std::string who = call.who();
    auto reply = [call = std::move(call)](const Result<root::ControlPort::PreparedForTpm>& made) mutable {
      if (!made) return call.fail(made.error());
      call.reply([&](Writer& out) {
        out.u64(made->nmm_id).text(made->path).text(made->fingerprint).text(made->digest);
        out.boolean(made->certified).text(made->certificate);
      });
    };
    port_.prepare_nmm_for_tpm(std::move(what), std::move(identity), place, who, std::move(reply));
  };
}

Result<Action> RootAdaptor::begin_direct(Reader& in) {
  root::ControlPort::Prepare what;
  AKM_ASSIGN(what.nmm_name, in.text(limits::kNameBytes));
  AKM_ASSIGN(what.nmm_endpoints, read_endpoints(in));
  AKM_ASSIGN(what.replaces, in.u64());
  AKM_ASSIGN(std::string address, in.text(limits::kAddressBytes));
  root_only_ = needs_root(address);
  return [this, what = std::move(what), address = std::move(address)](Call call) mutable {
    const std::string who = call.who();
    auto reply = [call = std::move(call)](const Result<DirectOffer>& offer) mutable {
      if (!offer) return call.fail(offer.error());
      call.reply([&](Writer& out) { append_offer(out, *offer); });
    };
    port_.begin_direct(std::move(what), address, who, std::move(reply));
  };
}

Result<Action> RootAdaptor::confirm_direct(Reader& in) {
  AKM_ASSIGN(const std::uint64_t handle, in.u64());
  AKM_ASSIGN(std::string fingerprint, in.text(limits::kNameBytes));
  return [this, handle, fingerprint = std::move(fingerprint)](Call call) {
    port_.confirm_direct(handle, fingerprint, number_reply(std::move(call)));
  };
}

Result<Action> RootAdaptor::prune_history(Reader& in) {
  AKM_ASSIGN(const std::uint64_t revision, in.u64());
  return [=, this](Call call) {
    const std::string who = call.who();
    port_.configuration().prune(revision, who, number_reply(std::move(call)));
  };
}

Result<Action> RootAdaptor::list_reports(Reader& in) {
  AKM_ASSIGN(const store::RecordKind kind, read_kind(in));
  if (kind != store::RecordKind::node && kind != store::RecordKind::asr) {
    return fail(Errc::invalid_argument, "reports are of kind node or asr");
  }
  AKM_ASSIGN(const std::uint64_t nmm_id, in.u64());
  AKM_ASSIGN(const std::uint64_t after_nmm, in.u64());
  AKM_ASSIGN(const std::uint64_t after_id, in.u64());
  return [=, this](Call call) {
    port_.configuration().reports(kind, nmm_id, after_nmm, after_id,
                                  rows_reply<std::vector<store::ReportRow>>(std::move(call)));
  };
}

Result<Action> RootAdaptor::list_incidents(Reader& in) {
  AKM_ASSIGN(const std::uint64_t nmm_id, in.u64());
  AKM_ASSIGN(const std::uint64_t after, in.u64());
  return [=, this](Call call) {
    port_.configuration().incidents(nmm_id, after,
                                    rows_reply<std::vector<store::IncidentRow>>(std::move(call)));
  };
}

Result<Action> RootAdaptor::list_records(Reader& in) {
  AKM_ASSIGN(const store::RecordKind kind, read_kind(in));
  AKM_ASSIGN(const std::uint64_t after, in.u64());
  return [=, this](Call call) {
    port_.configuration().list(kind, after, rows_reply<std::vector<store::ConfigRecord>>(std::move(call)));
  };
}

Result<Action> RootAdaptor::get_record(Reader& in) {
  AKM_ASSIGN(const store::RecordKind kind, read_kind(in));
  AKM_ASSIGN(const std::uint64_t id, read_id(in, "the id of the record"));
  return [=, this](Call call) {
    auto reply = [call = std::move(call)](const Result<store::ConfigRecord>& record) mutable {
      if (!record) return call.fail(record.error());
      call.reply([&](Writer& out) { out.u64(record->revision).text_map(record->fields); });
    };
    port_.configuration().get(kind, id, std::move(reply));
  };
}

Result<Action> RootAdaptor::set_record(Reader& in) {
  AKM_ASSIGN(const store::RecordKind kind, read_kind(in));
  AKM_ASSIGN(const std::uint64_t id, read_id(in, "the id of the record"));
  AKM_ASSIGN(auto changes, in.text_map(store::kFieldsMax, limits::kTextBytes));
  AKM_ASSIGN(const std::int64_t expected, in.i64());
  if (changes.empty()) return fail(Errc::invalid_argument, "no field is named");
  if (expected < -1) return fail(Errc::invalid_argument, "the expected revision is -1 or more");
  std::optional<std::uint64_t> revision;
  if (expected >= 0) revision = static_cast<std::uint64_t>(expected);
  return [this, kind, id, revision, changes = std::move(changes)](Call call) mutable {
    const std::string who = call.who();
    port_.configuration().set(kind, id, std::move(changes), revision, who, number_reply(std::move(call)));
  };
}

Result<Action> RootAdaptor::remove_record(Reader& in) {
  AKM_ASSIGN(const store::RecordKind kind, read_kind(in));
  AKM_ASSIGN(const std::uint64_t id, read_id(in, "the id of the record"));
  return [=, this](Call call) {
    const std::string who = call.who();
    port_.configuration().remove(kind, id, who, number_reply(std::move(call)));
  };
}

Result<Action> RootAdaptor::list_history(Reader& in) {
  AKM_ASSIGN(const std::uint64_t after, in.u64());
  return [=, this](Call call) {
    port_.configuration().history(after, rows_reply<std::vector<store::Change>>(std::move(call)));
  };
}

Result<Action> RootAdaptor::diff(Reader& in) {
  AKM_ASSIGN(const std::uint64_t from, in.u64());
  AKM_ASSIGN(const std::uint64_t to, in.u64());
  return [=, this](Call call) {
    port_.configuration().diff(from, to, rows_reply<std::vector<store::FieldDifference>>(std::move(call)));
  };
}

Result<Action> RootAdaptor::rollback(Reader& in) {
  AKM_ASSIGN(const std::uint64_t to, in.u64());
  return [=, this](Call call) {
    const std::string who = call.who();
    port_.configuration().rollback(to, who, number_reply(std::move(call)));
  };
}

}  // namespace akm::dbus
