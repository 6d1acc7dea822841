#include "dbus/node_adaptor.h"

#include <systemd/sd-bus.h>

#include <array>

#include "dbus/arguments.h"
#include "dbus/errors.h"
#include "dbus/limits.h"

namespace akm::dbus {
namespace {

using Snapshot = node::StatusSnapshot;

constexpr std::size_t kDigestBytes = 32;

Property<Snapshot> state_property() {
  return {"State", true, [](Writer& out, const Snapshot& s) { out.text(node::node_state_name(s.state)); },
          [](const Snapshot& a, const Snapshot& b) { return a.state == b.state; }};
}

// As in interfaces/org.akm.Node1.xml; Counters only grow and Version is constant, so they do not signal.
std::span<const Property<Snapshot>> properties() {
  static const std::array table{
      state_property(),
      property<Snapshot, &Snapshot::node_id>("NodeId"),
      property<Snapshot, &Snapshot::node_name>("NodeName"),
      property<Snapshot, &Snapshot::nmm_id>("NmmId"),
      property<Snapshot, &Snapshot::nmm_name>("NmmName"),
      property<Snapshot, &Snapshot::version>("Version", false),
      property<Snapshot, &Snapshot::key_storage>("KeyStorage"),
      property<Snapshot, &Snapshot::hardware_protected>("HardwareProtected"),
      property<Snapshot, &Snapshot::incarnation>("Incarnation"),
      property<Snapshot, &Snapshot::io_backend>("IoBackend"),
      property<Snapshot, &Snapshot::listen>("Listen"),
      property<Snapshot, &Snapshot::keyring>("Keyring"),
      property<Snapshot, &Snapshot::findings>("Findings"),
      property<Snapshot, &Snapshot::probes>("Probes"),
      property<Snapshot, &Snapshot::bundles>("Bundles"),
      property<Snapshot, &Snapshot::counters>("Counters", false),
      property<Snapshot, &Snapshot::handover_fingerprint>("HandoverFingerprint"),
      property<Snapshot, &Snapshot::changed_sources>("ChangedSources"),
  };
  return table;
}

}  // namespace

struct NodeAdaptor::Vtable {
  static int get(sd_bus*, const char*, const char*, const char* name, sd_bus_message* reply, void* self,
                 sd_bus_error*) {
    Writer out(reply);
    static_cast<NodeAdaptor*>(self)->status_.append(name, out);
    return out.status();
  }
  template <auto Parse>
  static int method(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto* self = static_cast<NodeAdaptor*>(userdata);
    Reader in(message);
    return dispatch(self->authorizer_, message, (self->*Parse)(in));
  }
  static const sd_bus_vtable* table();
};

const sd_bus_vtable* NodeAdaptor::Vtable::table() {
  constexpr std::uint64_t kOpen = SD_BUS_VTABLE_UNPRIVILEGED;  // the authorizer decides, not sd-bus
  constexpr std::uint64_t kSignals = SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE;
  constexpr std::uint64_t kConst = SD_BUS_VTABLE_PROPERTY_CONST;
  using Self = NodeAdaptor;
  static const sd_bus_vtable kTable[] = {
      SD_BUS_VTABLE_START(0),
      SD_BUS_METHOD_WITH_ARGS("GetHardwareIdentity", SD_BUS_NO_ARGS,
                              SD_BUS_ARGS("ay", value, "a(ss)", sources),
                              method<&Self::get_hardware_identity>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ProvisionFromFile", SD_BUS_ARGS("s", path, "h", code), SD_BUS_NO_RESULT,
                              method<&Self::provision_from_file>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ProvisionFromMemfd", SD_BUS_ARGS("h", bundle), SD_BUS_NO_RESULT,
                              method<&Self::provision_from_memfd>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ProvisionFromToken", SD_BUS_ARGS("s", uri, "h", pin), SD_BUS_NO_RESULT,
                              method<&Self::provision_from_token>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("GetTpmIdentity", SD_BUS_NO_ARGS, SD_BUS_ARGS("ay", identity, "s", fingerprint),
                              method<&Self::get_tpm_identity>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ProvisionFromTpm", SD_BUS_ARGS("s", path, "ay", digest), SD_BUS_NO_RESULT,
                              method<&Self::provision_from_tpm>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("OfferHandover", SD_BUS_NO_ARGS,
                              SD_BUS_ARGS("ay", value, "a(ss)", sources, "ay", key, "s", fingerprint),
                              method<&Self::offer_handover>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ProvisionSealed", SD_BUS_ARGS("ay", sealed), SD_BUS_NO_RESULT,
                              method<&Self::provision_sealed>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("Activate", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method<&Self::activate>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("Zeroize", SD_BUS_NO_ARGS, SD_BUS_ARGS("s", receipt), method<&Self::zeroize>,
                              kOpen),
      SD_BUS_METHOD_WITH_ARGS("Rehome", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method<&Self::rehome>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("Generalize", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method<&Self::generalize>,
                              kOpen),
      SD_BUS_SIGNAL_WITH_ARGS(
          "Event", SD_BUS_ARGS("s", name, "y", severity, "x", boottime_ns, "t", asr_id, "a{ss}", fields), 0),
      SD_BUS_PROPERTY("State", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("NodeId", "t", get, 0, kSignals),
      SD_BUS_PROPERTY("NodeName", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("NmmId", "t", get, 0, kSignals),
      SD_BUS_PROPERTY("NmmName", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("Version", "s", get, 0, kConst),
      SD_BUS_PROPERTY("KeyStorage", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("HardwareProtected", "b", get, 0, kSignals),
      SD_BUS_PROPERTY("Incarnation", "u", get, 0, kSignals),
      SD_BUS_PROPERTY("IoBackend", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("Listen", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("Keyring", "i", get, 0, kSignals),
      SD_BUS_PROPERTY("Findings", "as", get, 0, kSignals),
      SD_BUS_PROPERTY("Probes", "a{ss}", get, 0, kSignals),
      SD_BUS_PROPERTY("Bundles", "a(ssus)", get, 0, kSignals),
      SD_BUS_PROPERTY("Counters", "a{st}", get, 0, 0),
      SD_BUS_PROPERTY("HandoverFingerprint", "s", get, 0, kSignals),
      SD_BUS_PROPERTY("ChangedSources", "as", get, 0, kSignals),
      SD_BUS_VTABLE_END,
  };
  return kTable;
}

NodeAdaptor::NodeAdaptor(Bus& bus, Authorizer& authorizer, node::ControlPort& port)
    : authorizer_(authorizer),
      port_(port),
      asrs_(bus, authorizer, kNodePath,
            {[&port] { return port.asrs(); },
             [&port](std::uint64_t id, Done done) { port.rekey(id, std::move(done)); },
             [&port](const node::ControlPort::KeyExport& what, const Caller& caller) {
               return port.export_key(what, caller);
             },
             [&port](std::uint64_t id, std::int32_t serial, const Caller& caller) {
               return port.release_key(id, serial, caller);
             }}),
      status_(bus, port, {kNodePath, kNodeName, properties(), Vtable::table(), this}) {}

Observer NodeAdaptor::observer() {
  return Observer{
      .status_changed = [this] { status_.changed(); },
      .asr_changed = [this](std::uint64_t id) { asrs_.changed(id); },
      .event = [this](const EventRecord& event) { status_.event(event); },
      .key_changed = [this](std::uint64_t id, const ExportedKey& key,
                            bool revoked) { asrs_.key_changed(id, key, revoked); },
  };
}

Result<Action> NodeAdaptor::get_hardware_identity(Reader&) {
  return [this](Call call) {
    const Result<node::ControlPort::HardwareIdentity> identity = port_.hardware_identity();
    if (!identity) return call.fail(identity.error());
    call.reply([&](Writer& out) { out.bytes(identity->value).pairs('r', identity->sources); });
  };
}

Result<Action> NodeAdaptor::provision_from_file(Reader& in) {
  AKM_ASSIGN(std::string path, read_path(in, "the path of the bundle"));
  AKM_ASSIGN(UniqueFd code, read_sealed_fd(in, limits::kCodeBytes));
  return [this, path = std::move(path), code = std::move(code)](Call call) mutable {
    port_.provision_from_file(path, std::move(code), Call::done(std::move(call)));
  };
}

Result<Action> NodeAdaptor::provision_from_memfd(Reader& in) {
  AKM_ASSIGN(UniqueFd bundle, read_sealed_fd(in, limits::kBundleBytes));
  return [this, bundle = std::move(bundle)](Call call) mutable {
    port_.provision_from_memfd(std::move(bundle), Call::done(std::move(call)));
  };
}

Result<Action> NodeAdaptor::provision_from_token(Reader& in) {
  AKM_ASSIGN(std::string uri, read_token_uri(in));
  AKM_ASSIGN(UniqueFd pin, read_sealed_fd(in, limits::kPinBytes));
  return [this, uri = std::move(uri), pin = std::move(pin)](Call call) mutable {
    port_.provision_from_token(uri, std::move(pin), Call::done(std::move(call)));
  };
}

Result<Action> NodeAdaptor::get_tpm_identity(Reader&) {
  return [this](Call call) {
    auto reply = [call = std::move(call)](Result<node::ControlPort::TpmIdentity> identity) mutable {
      if (!identity) return call.fail(identity.error());
      call.reply([&](Writer& out) { out.bytes(identity->file).text(identity->fingerprint); });
    };
    port_.tpm_identity(std::move(reply));
  };
}

Result<Action> NodeAdaptor::provision_from_tpm(Reader& in) {
  AKM_ASSIGN(std::string path, read_path(in, "the path of the bundle"));
  AKM_ASSIGN(auto digest, in.bytes(kDigestBytes));
  if (!digest.empty() && digest.size() != kDigestBytes)
    return fail(Errc::invalid_argument, "the digest of a bundle has 32 bytes or none");
  return [this, path = std::move(path), digest = std::move(digest)](Call call) mutable {
    port_.provision_from_tpm_file(path, digest, Call::done(std::move(call)));
  };
}

Result<Action> NodeAdaptor::offer_handover(Reader&) {
  return [this](Call call) {
    const Result<node::ControlPort::Offer> offer = port_.offer_handover();
    if (!offer) return call.fail(offer.error());
    call.reply([&](Writer& out) {
      out.bytes(offer->identity.value).pairs('r', offer->identity.sources);
      out.bytes(offer->key).text(offer->fingerprint);
    });
  };
}

Result<Action> NodeAdaptor::provision_sealed(Reader& in) {
  AKM_ASSIGN(std::vector<std::uint8_t> sealed, in.bytes(limits::kSealedBundleBytes));
  return [this, sealed = std::move(sealed)](Call call) mutable {
    port_.provision_sealed(std::move(sealed), Call::done(std::move(call)));
  };
}

Result<Action> NodeAdaptor::activate(Reader&) {
  return [this](Call call) { port_.activate(Call::done(std::move(call))); };
}

Result<Action> NodeAdaptor::zeroize(Reader&) {
  return [this](Call call) mutable {
    port_.zeroize([call = std::move(call)](Result<std::string> receipt) mutable {
      if (!receipt) return call.fail(receipt.error());
      call.reply([&](Writer& out) { out.text(*receipt); });
    });
  };
}

Result<Action> NodeAdaptor::rehome(Reader&) {
  return [this](Call call) { port_.rehome(Call::done(std::move(call))); };
}

Result<Action> NodeAdaptor::generalize(Reader&) {
  return [this](Call call) { port_.generalize(Call::done(std::move(call))); };
}

}  // namespace akm::dbus
