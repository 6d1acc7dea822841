#include "dbus/nmm_adaptor.h"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "daemon/base/hex.h"
#include "dbus/arguments.h"
#include "dbus/direct_address.h"
#include "dbus/direct_offer.h"
#include "dbus/errors.h"
#include "dbus/limits.h"

namespace akm::dbus {
namespace {

using Snapshot = nmm::StatusSnapshot;

// As in interfaces/org.akm.Nmm1.xml; Counters only grow and Version is constant, so they do not signal.
std::span<const Property<Snapshot>> properties() {
  static const std::array table{
      property<Snapshot, &Snapshot::state>("State"),
      property<Snapshot, &Snapshot::nmm_id>("NmmId"),
      property<Snapshot, &Snapshot::name>("Name"),
      property<Snapshot, &Snapshot::version>("Version", false),
      property<Snapshot, &Snapshot::key_storage>("KeyStorage"),
      property<Snapshot, &Snapshot::hardware_protected>("HardwareProtected"),
      property<Snapshot, &Snapshot::incarnation>("Incarnation"),
      property<Snapshot, &Snapshot::io_backend>("IoBackend"),
      property<Snapshot, &Snapshot::listen>("Listen"),
      property<Snapshot, &Snapshot::root_state>("RootState"),
      property<Snapshot, &Snapshot::root_id>("RootId"),
      property<Snapshot, &Snapshot::root_name>("RootName"),
      property<Snapshot, &Snapshot::root_since_ns>("RootSince"),
      property<Snapshot, &Snapshot::findings>("Findings"),
      property<Snapshot, &Snapshot::probes>("Probes"),
      property<Snapshot, &Snapshot::counters>("Counters", false),
      property<Snapshot, &Snapshot::handover_fingerprint>("HandoverFingerprint"),
  };
  return table;
}

void append_nodes(Writer& out, const std::vector<nmm::NodeSnapshot>& nodes) {
  out.open('a', "(tssusxats)");
  for (const nmm::NodeSnapshot& node : nodes) {
    out.open('r', "tssusxats").u64(node.node_id).text(node.name).text(node.state).u32(node.serial);
    out.text(node.endpoint).i64(node.last_heard_ns).u64s(node.asrs).text(node.version).close();
  }
  out.close();
}

void append_drives(Writer& out, const std::vector<nmm::DriveSnapshot>& drives) {
  out.open('a', "(sstsass)");
  for (const nmm::DriveSnapshot& drive : drives) {
    out.open('r', "sstsass").text(drive.device).text(drive.model).u64(drive.bytes).text(drive.filesystem);
    out.texts(drive.mounted_at).text(drive.refusal).close();
  }
  out.close();
}

}  // namespace

struct NmmAdaptor::Vtable {
  static int get(sd_bus*, const char*, const char*, const char* name, sd_bus_message* reply, void* self,
                 sd_bus_error*) {
    Writer out(reply);
    static_cast<NmmAdaptor*>(self)->status_.append(name, out);
    return out.status();
  }
  template <auto Parse>
  static int method(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto* self = static_cast<NmmAdaptor*>(userdata);
    Reader in(message);
    self->root_only_ = false;
    Result<Action> parsed = (self->*Parse)(in);
    return dispatch(self->authorizer_, message, std::move(parsed), self->root_only_);
  }
  static constexpr std::uint64_t kOpen = SD_BUS_VTABLE_UNPRIVILEGED;  // the authorizer decides, not sd-bus
  using Self = NmmAdaptor;
  static std::span<const sd_bus_vtable> methods();
  static std::span<const sd_bus_vtable> lifecycle_methods();
  static std::span<const sd_bus_vtable> backup_methods();
  static std::span<const sd_bus_vtable> properties_and_signals();
  static const sd_bus_vtable* table();
};

std::span<const sd_bus_vtable> NmmAdaptor::Vtable::methods() {
  static const sd_bus_vtable kTable[] = {
      SD_BUS_METHOD_WITH_ARGS("CreateRootSecret", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                              method<&Self::create_root_secret>, kOpen),
      SD_BUS_METHOD_WITH_ARGS(
          "PrepareBundle",
          SD_BUS_ARGS("s", name, "ay", hardware_value, "as", endpoints, "s", place, "b", force),
          SD_BUS_ARGS("t", node_id, "s", path, "h", code), method<&Self::prepare_bundle>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ListDrives", SD_BUS_NO_ARGS, SD_BUS_ARGS("a(sstsass)", drives),
                              method<&Self::list_drives>, kOpen),
      SD_BUS_METHOD_WITH_ARGS(
          "PrepareToken", SD_BUS_ARGS("s", name, "ay", hardware_value, "as", endpoints, "s", uri, "h", pin),
          SD_BUS_ARGS("t", node_id, "s", token, "b", sealed), method<&Self::prepare_token>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ProvisionDirect", SD_BUS_ARGS("s", name, "as", endpoints, "s", bus_address),
                              SD_BUS_ARGS("t", node_id), method<&Self::provision_direct>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ListNodes", SD_BUS_NO_ARGS, SD_BUS_ARGS("a(tssusxats)", nodes),
                              method<&Self::list_nodes>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("CreateAsr", SD_BUS_ARGS("s", label, "at", nodes, "a{ss}", policy),
                              SD_BUS_ARGS("o", asr), method<&Self::create_asr>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("AddMember", SD_BUS_ARGS("t", asr_id, "t", node_id), SD_BUS_NO_RESULT,
                              method<&Self::add_member>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("RemoveMember", SD_BUS_ARGS("t", asr_id, "t", node_id), SD_BUS_NO_RESULT,
                              method<&Self::remove_member>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("Rekey", SD_BUS_ARGS("t", asr_id), SD_BUS_NO_RESULT, method<&Self::rekey>,
                              kOpen),
      SD_BUS_METHOD_WITH_ARGS("SetPolicy", SD_BUS_ARGS("t", asr_id, "a{ss}", policy), SD_BUS_NO_RESULT,
                              method<&Self::set_policy>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("DeleteAsr", SD_BUS_ARGS("t", asr_id), SD_BUS_NO_RESULT,
                              method<&Self::delete_asr>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("Quarantine", SD_BUS_ARGS("t", node_id), SD_BUS_NO_RESULT,
                              method<&Self::quarantine>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("Attest", SD_BUS_ARGS("t", node_id, "b", accept),
                              SD_BUS_ARGS("s", outcome, "s", pcr_digest, "s", log_digest),
                              method<&Self::attest>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("PrepareForTpm",
                              SD_BUS_ARGS("s", name, "as", endpoints, "ay", identity, "s", place),
                              SD_BUS_ARGS("t", node_id, "s", path, "s", fingerprint, "s", digest, "b",
                                          certified, "s", certificate, "s", pcr_digest),
                              method<&Self::prepare_for_tpm>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("SetGoldenPcrs", SD_BUS_ARGS("t", node_id, "ay", pcr_digest), SD_BUS_NO_RESULT,
                              method<&Self::set_golden_pcrs>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("Readmit", SD_BUS_ARGS("t", node_id), SD_BUS_NO_RESULT, method<&Self::readmit>,
                              kOpen),
  };
  return kTable;
}

std::span<const sd_bus_vtable> NmmAdaptor::Vtable::lifecycle_methods() {
  static const sd_bus_vtable kTable[] = {
      SD_BUS_METHOD_WITH_ARGS(
          "BeginDirect", SD_BUS_ARGS("s", name, "as", endpoints, "s", bus_address),
          SD_BUS_ARGS("t", handle, "s", fingerprint, "ay", value, "a(ss)", sources, "b", confirm),
          method<&Self::begin_direct>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ConfirmDirect", SD_BUS_ARGS("t", handle, "s", fingerprint),
                              SD_BUS_ARGS("t", node_id), method<&Self::confirm_direct>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("DescribeNode", SD_BUS_ARGS("t", node_id), SD_BUS_ARGS("a(ss)", facts),
                              method<&Self::describe_node>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("Reprovision", SD_BUS_ARGS("t", node_id), SD_BUS_NO_RESULT,
                              method<&Self::reprovision>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("Rehome", SD_BUS_ARGS("t", node_id, "ay", hardware_value), SD_BUS_NO_RESULT,
                              method<&Self::rehome>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("Retire", SD_BUS_ARGS("t", node_id, "b", forget), SD_BUS_NO_RESULT,
                              method<&Self::retire>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("AcceptHardware", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                              method<&Self::accept_hardware>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("GetHardwareIdentity", SD_BUS_NO_ARGS,
                              SD_BUS_ARGS("ay", value, "a(ss)", sources),
                              method<&Self::get_hardware_identity>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ProvisionFromFile", SD_BUS_ARGS("s", path, "h", code), SD_BUS_NO_RESULT,
                              method<&Self::provision_from_file>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ProvisionFromMemfd", SD_BUS_ARGS("h", bundle), SD_BUS_NO_RESULT,
                              method<&Self::provision_from_memfd>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("GetTpmIdentity", SD_BUS_NO_ARGS, SD_BUS_ARGS("ay", identity, "s", fingerprint),
                              method<&Self::get_tpm_identity>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ProvisionFromTpm", SD_BUS_ARGS("s", path, "ay", digest), SD_BUS_NO_RESULT,
                              method<&Self::provision_from_tpm>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ProvisionFromToken", SD_BUS_ARGS("s", uri, "h", pin), SD_BUS_NO_RESULT,
                              method<&Self::provision_from_token>, kOpen),
      SD_BUS_METHOD_WITH_ARGS(
          "OfferHandover", SD_BUS_NO_ARGS,
          SD_BUS_ARGS("ay", value, "a(ss)", sources, "ay", key, "s", fingerprint, "t", nmm_id),
          method<&Self::offer_handover>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ProvisionSealed", SD_BUS_ARGS("ay", sealed), SD_BUS_NO_RESULT,
                              method<&Self::provision_sealed>, kOpen),
  };
  return kTable;
}

std::span<const sd_bus_vtable> NmmAdaptor::Vtable::backup_methods() {
  static const sd_bus_vtable kTable[] = {
      SD_BUS_METHOD_WITH_ARGS("MakeBackup", SD_BUS_NO_ARGS, SD_BUS_ARGS("h", backup, "h", secret),
                              method<&Self::make_backup>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("MakeBackupUnder", SD_BUS_ARGS("h", secret), SD_BUS_ARGS("h", backup),
                              method<&Self::make_backup_under>, kOpen),
      SD_BUS_METHOD_WITH_ARGS(
          "TestBackup", SD_BUS_ARGS("h", backup, "h", secret),
          SD_BUS_ARGS("t", nmm_id, "s", name, "t", made, "u", incarnation, "a(tssu)", nodes, "a(tsuu)", asrs),
          method<&Self::test_backup>, kOpen),
      SD_BUS_METHOD_WITH_ARGS(
          "RestoreBackup", SD_BUS_ARGS("h", backup, "h", secret),
          SD_BUS_ARGS("t", nmm_id, "s", name, "t", made, "u", incarnation, "a(tssu)", nodes, "a(tsuu)", asrs),
          method<&Self::restore_backup>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ConfirmAsr", SD_BUS_ARGS("t", asr_id), SD_BUS_NO_RESULT,
                              method<&Self::confirm_asr>, kOpen),
  };
  return kTable;
}

std::span<const sd_bus_vtable> NmmAdaptor::Vtable::properties_and_signals() {
  constexpr std::uint64_t kSignals = SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE;
  constexpr std::uint64_t kConst = SD_BUS_VTABLE_PROPERTY_CONST;
  static const sd_bus_vtable kTable[] = {
      SD_BUS_SIGNAL_WITH_ARGS(
          "Event", SD_BUS_ARGS("s", name, "y", severity, "x", boottime_ns, "t", asr_id, "a{ss}", fields), 0),
      SD_BUS_PROPERTY("State", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("NmmId", "t", get, 0, kSignals),
      SD_BUS_PROPERTY("Name", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("Version", "s", get, 0, kConst),
      SD_BUS_PROPERTY("KeyStorage", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("HardwareProtected", "b", get, 0, kSignals),
      SD_BUS_PROPERTY("Incarnation", "u", get, 0, kSignals),
      SD_BUS_PROPERTY("IoBackend", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("Listen", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("RootState", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("RootId", "t", get, 0, kSignals),
      SD_BUS_PROPERTY("RootName", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("RootSince", "x", get, 0, kSignals),
      SD_BUS_PROPERTY("Findings", "as", get, 0, kSignals),
      SD_BUS_PROPERTY("Probes", "a{ss}", get, 0, kSignals),
      SD_BUS_PROPERTY("Counters", "a{st}", get, 0, 0),
      SD_BUS_PROPERTY("HandoverFingerprint", "s", get, 0, kSignals),
      SD_BUS_VTABLE_END,
  };
  return kTable;
}

const sd_bus_vtable* NmmAdaptor::Vtable::table() {
  static const std::vector<sd_bus_vtable> kWhole = [] {
    std::vector<sd_bus_vtable> out{SD_BUS_VTABLE_START(0)};
    for (const auto part : {methods(), lifecycle_methods(), backup_methods(), properties_and_signals()})
      out.insert(out.end(), part.begin(), part.end());
    return out;
  }();
  return kWhole.data();
}

NmmAdaptor::NmmAdaptor(Bus& bus, Authorizer& authorizer, nmm::ControlPort& port)
    : authorizer_(authorizer),
      port_(port),
      asrs_(bus, authorizer, kNmmPath,
            {[&port] { return port.asrs(); },
             [&port](std::uint64_t id, Done done) { port.rekey(id, std::move(done)); }}),
      status_(bus, port, {kNmmPath, kNmmName, properties(), Vtable::table(), this}) {}

Observer NmmAdaptor::observer() {
  return Observer{
      .status_changed = [this] { status_.changed(); },
      .asr_changed = [this](std::uint64_t id) { asrs_.changed(id); },
      .event = [this](const EventRecord& event) { status_.event(event); },
  };
}

namespace {

Reply<std::uint64_t> id_reply(Call call) {
  return [call = std::move(call)](const Result<std::uint64_t>& id) mutable {
    if (!id) return call.fail(id.error());
    call.reply([&](Writer& out) { out.u64(*id); });
  };
}

}  // namespace

Result<Action> NmmAdaptor::create_root_secret(Reader&) {
  return [this](Call call) { port_.create_root_secret(Call::done(std::move(call))); };
}

Result<Action> NmmAdaptor::prepare_bundle(Reader& in) {
  nmm::ControlPort::Prepare what;
  AKM_ASSIGN(what.node_name, read_name(in, "the name of the node"));
  AKM_ASSIGN(what.hardware_value, read_hardware_value(in));
  AKM_ASSIGN(what.node_endpoints, read_endpoints(in));
  nmm::ControlPort::Destination to;
  AKM_ASSIGN(to.place, read_path(in, "the folder or device"));
  AKM_ASSIGN(to.force, in.boolean());
  return [this, what = std::move(what), to = std::move(to)](Call call) mutable {
    auto reply = [call = std::move(call)](Result<nmm::ControlPort::Prepared> prepared) mutable {
      if (!prepared) return call.fail(prepared.error());
      call.reply(
          [&](Writer& out) { out.u64(prepared->node_id).text(prepared->path).fd(prepared->code.get()); });
    };
    port_.prepare_bundle(std::move(what), std::move(to), std::move(reply));
  };
}

Result<Action> NmmAdaptor::list_drives(Reader&) {
  return [this](Call call) {
    auto reply = [call = std::move(call)](const Result<std::vector<nmm::DriveSnapshot>>& drives) mutable {
      if (!drives) return call.fail(drives.error());
      call.reply([&](Writer& out) { append_drives(out, *drives); });
    };
    port_.list_drives(std::move(reply));
  };
}

Result<Action> NmmAdaptor::prepare_token(Reader& in) {
  nmm::ControlPort::Prepare what;
  AKM_ASSIGN(what.node_name, read_name(in, "the name of the node"));
  AKM_ASSIGN(what.hardware_value, read_hardware_value(in));
  AKM_ASSIGN(what.node_endpoints, read_endpoints(in));
  AKM_ASSIGN(std::string uri, read_token_uri(in));
  AKM_ASSIGN(UniqueFd pin, read_sealed_fd(in, limits::kPinBytes));
  return [this, what = std::move(what), uri = std::move(uri), pin = std::move(pin)](Call call) mutable {
    auto reply = [call = std::move(call)](Result<nmm::ControlPort::PreparedOnToken> prepared) mutable {
      if (!prepared) return call.fail(prepared.error());
      call.reply(
          [&](Writer& out) { out.u64(prepared->node_id).text(prepared->token).boolean(prepared->sealed); });
    };
    port_.prepare_token(std::move(what), uri, std::move(pin), std::move(reply));
  };
}

Result<Action> NmmAdaptor::provision_direct(Reader& in) {
  nmm::ControlPort::Prepare what;
  AKM_ASSIGN(what.node_name, read_name(in, "the name of the node"));
  AKM_ASSIGN(what.node_endpoints, read_endpoints(in));
  AKM_ASSIGN(std::string address, in.text(limits::kAddressBytes));
  root_only_ = needs_root(address);  // which addresses there are is the role's policy
  return [this, what = std::move(what), address = std::move(address)](Call call) mutable {
    port_.provision_direct(std::move(what), address, id_reply(std::move(call)));
  };
}

Result<Action> NmmAdaptor::list_nodes(Reader&) {
  return [this](Call call) { call.reply([&](Writer& out) { append_nodes(out, port_.nodes()); }); };
}

Result<Action> NmmAdaptor::create_asr(Reader& in) {
  AKM_ASSIGN(std::string label, read_name(in, "the label"));
  AKM_ASSIGN(auto nodes, read_node_ids(in));
  AKM_ASSIGN(auto policy, read_policy(in));
  return [this, label = std::move(label), nodes = std::move(nodes),
          policy = std::move(policy)](Call call) mutable {
    auto reply = [this, call = std::move(call)](Result<std::uint64_t> asr_id) mutable {
      if (!asr_id) return call.fail(asr_id.error());
      call.reply([&](Writer& out) { out.object_path(asrs_.path_of(*asr_id)); });
    };
    port_.create_asr(label, std::move(nodes), std::move(policy), std::move(reply));
  };
}

Result<Action> NmmAdaptor::add_member(Reader& in) {
  AKM_ASSIGN(const std::uint64_t asr_id, read_id(in, "the id of the relationship"));
  AKM_ASSIGN(const std::uint64_t node_id, read_id(in, "the id of the node"));
  return
      [this, asr_id, node_id](Call call) { port_.add_member(asr_id, node_id, Call::done(std::move(call))); };
}

Result<Action> NmmAdaptor::remove_member(Reader& in) {
  AKM_ASSIGN(const std::uint64_t asr_id, read_id(in, "the id of the relationship"));
  AKM_ASSIGN(const std::uint64_t node_id, read_id(in, "the id of the node"));
  return [this, asr_id, node_id](Call call) {
    port_.remove_member(asr_id, node_id, Call::done(std::move(call)));
  };
}

Result<Action> NmmAdaptor::rekey(Reader& in) {
  AKM_ASSIGN(const std::uint64_t asr_id, read_id(in, "the id of the relationship"));
  return [this, asr_id](Call call) { port_.rekey(asr_id, Call::done(std::move(call))); };
}

Result<Action> NmmAdaptor::set_policy(Reader& in) {
  AKM_ASSIGN(const std::uint64_t asr_id, read_id(in, "the id of the relationship"));
  AKM_ASSIGN(auto policy, read_policy(in));
  if (policy.empty()) return fail(Errc::invalid_argument, "no policy field is named");
  return [this, asr_id, policy = std::move(policy)](Call call) mutable {
    port_.set_policy(asr_id, std::move(policy), Call::done(std::move(call)));
  };
}

Result<Action> NmmAdaptor::delete_asr(Reader& in) {
  AKM_ASSIGN(const std::uint64_t asr_id, read_id(in, "the id of the relationship"));
  return [this, asr_id](Call call) { port_.delete_asr(asr_id, Call::done(std::move(call))); };
}

Result<Action> NmmAdaptor::quarantine(Reader& in) {
  AKM_ASSIGN(const std::uint64_t node_id, read_id(in, "the id of the node"));
  return [this, node_id](Call call) { port_.quarantine(node_id, Call::done(std::move(call))); };
}

Result<Action> NmmAdaptor::attest(Reader& in) {
  AKM_ASSIGN(const std::uint64_t node_id, read_id(in, "the id of the node"));
  AKM_ASSIGN(const bool accept, in.boolean());
  return [this, node_id, accept](Call call) mutable {
    auto reply = [call = std::move(call)](Result<nmm::ControlPort::Attested> attested) mutable {
      if (!attested) return call.fail(attested.error());
      call.reply([&](Writer& out) {
        out.text(attested->outcome).text(hex(attested->pcr_digest)).text(hex(attested->log_digest));
      });
    };
    port_.attest(node_id, accept, std::move(reply));
  };
}

Result<Action> NmmAdaptor::prepare_for_tpm(Reader& in) {
  nmm::ControlPort::PrepareForTpm what;
  AKM_ASSIGN(what.node_name, read_name(in, "the name of the node"));
  AKM_ASSIGN(what.node_endpoints, read_endpoints(in));
  AKM_ASSIGN(what.identity, in.bytes(limits::kIdentityBytes));
  AKM_ASSIGN(what.place, read_path(in, "the directory"));
  return [this, what = std::move(what)](Call call) mutable {
    auto reply = [call = std::move(call)](Result<nmm::ControlPort::PreparedForTpm> prepared) mutable {
      if (!prepared) return call.fail(prepared.error());
      call.reply([&](Writer& out) {
        out.u64(prepared->node_id).text(prepared->path).text(prepared->fingerprint).text(prepared->digest);
        out.boolean(prepared->certified).text(prepared->certificate).text(hex(prepared->pcr_digest));
      });
    };
    port_.prepare_for_tpm(std::move(what), std::move(reply));
  };
}

Result<Action> NmmAdaptor::set_golden_pcrs(Reader& in) {
  AKM_ASSIGN(const std::uint64_t node_id, read_id(in, "the id of the node"));
  std::array<std::uint8_t, 32> digest{};
  AKM_ASSIGN(const std::vector<std::uint8_t> bytes, in.bytes(digest.size()));
  if (bytes.size() != digest.size()) return fail(Errc::invalid_argument, "a PCR digest has 32 bytes");
  std::ranges::copy(bytes, digest.begin());
  return [this, node_id, digest](Call call) {
    port_.set_golden_pcrs(node_id, digest, Call::done(std::move(call)));
  };
}

Result<Action> NmmAdaptor::readmit(Reader& in) {
  AKM_ASSIGN(const std::uint64_t node_id, read_id(in, "the id of the node"));
  return [this, node_id](Call call) { port_.readmit(node_id, Call::done(std::move(call))); };
}

Result<Action> NmmAdaptor::begin_direct(Reader& in) {
  nmm::ControlPort::Prepare what;
  AKM_ASSIGN(what.node_name, read_name(in, "the name of the node"));
  AKM_ASSIGN(what.node_endpoints, read_endpoints(in));
  AKM_ASSIGN(std::string address, in.text(limits::kAddressBytes));
  root_only_ = needs_root(address);
  return [this, what = std::move(what), address = std::move(address)](Call call) mutable {
    auto reply = [call = std::move(call)](Result<nmm::ControlPort::DirectOffer> offer) mutable {
      if (!offer) return call.fail(offer.error());
      call.reply([&](Writer& out) { append_offer(out, *offer); });
    };
    port_.begin_direct(std::move(what), address, std::move(reply));
  };
}

Result<Action> NmmAdaptor::confirm_direct(Reader& in) {
  AKM_ASSIGN(const std::uint64_t handle, in.u64());
  AKM_ASSIGN(std::string fingerprint, in.text(limits::kNameBytes));
  return [this, handle, fingerprint = std::move(fingerprint)](Call call) mutable {
    port_.confirm_direct(handle, fingerprint, id_reply(std::move(call)));
  };
}

Result<Action> NmmAdaptor::describe_node(Reader& in) {
  AKM_ASSIGN(const std::uint64_t node_id, read_id(in, "the id of the node"));
  return [this, node_id](Call call) {
    const auto facts = port_.describe(node_id);
    if (!facts) return call.fail(facts.error());
    call.reply([&](Writer& out) { out.pairs('r', *facts); });
  };
}

Result<Action> NmmAdaptor::reprovision(Reader& in) {
  AKM_ASSIGN(const std::uint64_t node_id, read_id(in, "the id of the node"));
  return [this, node_id](Call call) { port_.reprovision(node_id, Call::done(std::move(call))); };
}

Result<Action> NmmAdaptor::rehome(Reader& in) {
  AKM_ASSIGN(const std::uint64_t node_id, read_id(in, "the id of the node"));
  AKM_ASSIGN(std::vector<std::uint8_t> value, read_hardware_value(in));
  return [this, node_id, value = std::move(value)](Call call) mutable {
    port_.rehome(node_id, std::move(value), Call::done(std::move(call)));
  };
}

Result<Action> NmmAdaptor::retire(Reader& in) {
  AKM_ASSIGN(const std::uint64_t node_id, read_id(in, "the id of the node"));
  AKM_ASSIGN(const bool forget, in.boolean());
  return [this, node_id, forget](Call call) { port_.retire(node_id, forget, Call::done(std::move(call))); };
}

Result<Action> NmmAdaptor::accept_hardware(Reader&) {
  return [this](Call call) { port_.accept_hardware(Call::done(std::move(call))); };
}

}  // namespace akm::dbus
