#include "dbus/proxy.h"

#include <systemd/sd-bus.h>

#include <array>
#include <charconv>

#include "daemon/base/hex.h"
#include "dbus/connection.h"
#include "dbus/errors.h"
#include "dbus/limits.h"
#include "dbus/snapshot_reader.h"

namespace akm::dbus {
namespace {

constexpr std::size_t kSources = 64;
constexpr std::array kServices{Service::node, Service::nmm, Service::root};
constexpr const char* kProperties = "org.freedesktop.DBus.Properties";

Status nothing(Reader&) {
  return {};
}

void no_arguments(Writer&) {}

std::uint64_t microseconds(Duration duration) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

}  // namespace

std::string root_of(Service service) {
  switch (service) {
    case Service::node:
      return "/org/akm/Node1";
    case Service::nmm:
      return "/org/akm/Nmm1";
    case Service::root:
      return "/org/akm/Root1";
  }
  return {};
}

const char* service_name(Service service) {
  switch (service) {
    case Service::node:
      return "org.akm.Node1";
    case Service::nmm:
      return "org.akm.Nmm1";
    case Service::root:
      return "org.akm.Root1";
  }
  return "";
}

Result<Proxy> Proxy::connect(const std::string& address, Duration timeout) {
  AKM_ASSIGN(const std::string resolved, resolve_address(address));
  sd_bus* bus = nullptr;
  int r = sd_bus_new(&bus);
  if (r >= 0) r = sd_bus_set_address(bus, resolved.c_str());
  if (r >= 0) r = sd_bus_set_bus_client(bus, 1);
  if (r >= 0) r = sd_bus_set_allow_interactive_authorization(bus, 1);
  if (r >= 0) r = sd_bus_set_method_call_timeout(bus, microseconds(timeout));
  if (r >= 0) r = sd_bus_start(bus);
  if (r < 0) {
    sd_bus_close_unref(bus);
    return std::unexpected(error_from_errno(r, resolved));
  }
  return Proxy(bus, timeout);
}

Result<Proxy> Proxy::connect_host(const std::string& host, Duration timeout) {
  // A word that ssh would take for an option is no host.
  if (host.empty() || host.front() == '-' || !is_plain_text(host))
    return fail(Errc::invalid_argument, "a host is [USER@]HOST[:PORT]");
  sd_bus* bus = nullptr;
  int r = sd_bus_open_system_remote(&bus, host.c_str());
  if (r >= 0) r = sd_bus_set_allow_interactive_authorization(bus, 1);
  if (r >= 0) r = sd_bus_set_method_call_timeout(bus, microseconds(timeout));
  if (r < 0) {
    sd_bus_close_unref(bus);
    return std::unexpected(error_from_errno(r, host));
  }
  return Proxy(bus, timeout);
}

Proxy::~Proxy() {
  sd_bus_flush_close_unref(bus_);
}

Status Proxy::call(const Target& target, const std::function<void(Writer&)>& write,
                   const std::function<Status(Reader&)>& read) {
  sd_bus_message* message = nullptr;
  int r = sd_bus_message_new_method_call(bus_, &message, target.name.c_str(), target.path.c_str(),
                                         target.interface.c_str(), target.member.c_str());
  if (r >= 0) {
    Writer out(message);
    write(out);
    r = out.status();
  }
  sd_bus_message* reply = nullptr;
  sd_bus_error error = SD_BUS_ERROR_NULL;
  if (r >= 0) r = sd_bus_call(bus_, message, microseconds(timeout_), &error, &reply);
  Status status;
  if (sd_bus_error_is_set(&error) > 0) {
    status = std::unexpected(error_from(error.name, error.message == nullptr ? "" : error.message));
  } else if (r < 0) {
    status = std::unexpected(error_from_errno(r, target.member));
  } else {
    Reader in(reply);
    status = read(in);
  }
  sd_bus_error_free(&error);
  sd_bus_message_unref(reply);
  sd_bus_message_unref(message);
  return status;
}

Result<bool> Proxy::is_there(Service service) {
  bool owned = false;
  AKM_TRY(call(
      {"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner"},
      [&](Writer& out) { out.text(service_name(service)); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(owned, in.boolean());
        return {};
      }));
  return owned;
}

Result<node::StatusSnapshot> Proxy::node_status() {
  node::StatusSnapshot status;
  const std::string name = service_name(Service::node);
  AKM_TRY(call(
      {name, root_of(Service::node), kProperties, "GetAll"}, [&](Writer& out) { out.text(name); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(status, read_node_status(in));
        return {};
      }));
  return status;
}

Result<nmm::StatusSnapshot> Proxy::nmm_status() {
  nmm::StatusSnapshot status;
  const std::string name = service_name(Service::nmm);
  AKM_TRY(call(
      {name, root_of(Service::nmm), kProperties, "GetAll"}, [&](Writer& out) { out.text(name); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(status, read_nmm_status(in));
        return {};
      }));
  return status;
}

Result<std::vector<AsrSnapshot>> Proxy::asrs(Service service) {
  std::vector<AsrSnapshot> asrs;
  AKM_TRY(call(
      {service_name(service), root_of(service), "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"},
      no_arguments, [&](Reader& in) -> Status {
        AKM_ASSIGN(asrs, read_managed_asrs(in));
        return {};
      }));
  return asrs;
}

Status Proxy::rekey(Service service, std::uint64_t asr_id) {
  return call({service_name(service), root_of(service) + "/asr/" + hex_id(asr_id), "org.akm.Asr1", "Rekey"},
              no_arguments, nothing);
}

Result<std::int32_t> Proxy::export_key(const node::ControlPort::KeyExport& what) {
  std::int32_t serial = 0;
  AKM_TRY(call(
      {service_name(Service::node), root_of(Service::node) + "/asr/" + hex_id(what.asr_id), "org.akm.Asr1",
       "ExportKey"},
      [&](Writer& out) { out.text(what.name).bytes(what.context).text(what.type).i32(what.keyring); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(serial, in.i32());
        return {};
      }));
  return serial;
}

Status Proxy::release_key(std::uint64_t asr_id, std::int32_t serial) {
  return call(
      {service_name(Service::node), root_of(Service::node) + "/asr/" + hex_id(asr_id), "org.akm.Asr1",
       "ReleaseKey"},
      [&](Writer& out) { out.i32(serial); }, nothing);
}

Result<Proxy::HardwareIdentity> Proxy::hardware_identity(Service service) {
  HardwareIdentity identity;
  const std::string name = service_name(service);
  AKM_TRY(
      call({name, root_of(service), name, "GetHardwareIdentity"}, no_arguments, [&](Reader& in) -> Status {
        AKM_ASSIGN(identity.value, in.bytes(limits::kHardwareValueBytes));
        AKM_ASSIGN(identity.sources, in.pairs('r', kSources));
        return {};
      }));
  return identity;
}

Result<Proxy::TpmIdentity> Proxy::tpm_identity(Service service) {
  TpmIdentity identity;
  const std::string name = service_name(service);
  AKM_TRY(call({name, root_of(service), name, "GetTpmIdentity"}, no_arguments, [&](Reader& in) -> Status {
    AKM_ASSIGN(identity.file, in.bytes(limits::kIdentityBytes));
    AKM_ASSIGN(identity.fingerprint, in.text(limits::kNameBytes));
    return {};
  }));
  return identity;
}

Status Proxy::provision_from_tpm(const std::string& path, const std::vector<std::uint8_t>& digest,
                                 Service service) {
  const std::string name = service_name(service);
  return call(
      {name, root_of(service), name, "ProvisionFromTpm"}, [&](Writer& out) { out.text(path).bytes(digest); },
      nothing);
}

Status Proxy::provision_from_file(const std::string& path, const UniqueFd& code, Service service) {
  const std::string name = service_name(service);
  return call(
      {name, root_of(service), name, "ProvisionFromFile"},
      [&](Writer& out) { out.text(path).fd(code.get()); }, nothing);
}

Status Proxy::provision_from_token(const std::string& uri, const UniqueFd& pin, Service service) {
  const std::string name = service_name(service);
  return call(
      {name, root_of(service), name, "ProvisionFromToken"}, [&](Writer& out) { out.text(uri).fd(pin.get()); },
      nothing);
}

Status Proxy::activate() {
  const std::string name = service_name(Service::node);
  return call({name, root_of(Service::node), name, "Activate"}, no_arguments, nothing);
}

Status Proxy::nmm_call(const char* member, const std::vector<std::uint64_t>& ids) {
  const std::string name = service_name(Service::nmm);
  return call(
      {name, root_of(Service::nmm), name, member},
      [&](Writer& out) {
        for (const std::uint64_t id : ids) out.u64(id);
      },
      nothing);
}

Status Proxy::create_root_secret() {
  return nmm_call("CreateRootSecret", {});
}

Result<Proxy::Prepared> Proxy::prepare_bundle(const Prepare& what, const std::string& place, bool force) {
  Prepared prepared;
  const std::string name = service_name(Service::nmm);
  AKM_TRY(call(
      {name, root_of(Service::nmm), name, "PrepareBundle"},
      [&](Writer& out) {
        out.text(what.node_name).bytes(what.hardware_value).texts(what.node_endpoints);
        out.text(place).boolean(force);
      },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(prepared.node_id, in.u64());
        AKM_ASSIGN(prepared.path, in.text(limits::kTextBytes));
        AKM_ASSIGN(prepared.code, in.fd());
        return {};
      }));
  return prepared;
}

Result<std::vector<nmm::DriveSnapshot>> Proxy::drives() {
  std::vector<nmm::DriveSnapshot> drives;
  const std::string name = service_name(Service::nmm);
  AKM_TRY(call({name, root_of(Service::nmm), name, "ListDrives"}, no_arguments, [&](Reader& in) -> Status {
    AKM_ASSIGN(drives, read_drives(in));
    return {};
  }));
  return drives;
}

Result<Proxy::PreparedOnToken> Proxy::prepare_token(const Prepare& what, const std::string& uri,
                                                    const UniqueFd& pin) {
  PreparedOnToken prepared;
  const std::string name = service_name(Service::nmm);
  AKM_TRY(call(
      {name, root_of(Service::nmm), name, "PrepareToken"},
      [&](Writer& out) {
        out.text(what.node_name)
            .bytes(what.hardware_value)
            .texts(what.node_endpoints)
            .text(uri)
            .fd(pin.get());
      },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(prepared.node_id, in.u64());
        AKM_ASSIGN(prepared.token, in.text(limits::kTextBytes));
        AKM_ASSIGN(prepared.sealed, in.boolean());
        return {};
      }));
  return prepared;
}

Result<std::uint64_t> Proxy::provision_direct(const Prepare& what, const std::string& bus_address) {
  std::uint64_t node_id = 0;
  const std::string name = service_name(Service::nmm);
  AKM_TRY(call(
      {name, root_of(Service::nmm), name, "ProvisionDirect"},
      [&](Writer& out) { out.text(what.node_name).texts(what.node_endpoints).text(bus_address); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(node_id, in.u64());
        return {};
      }));
  return node_id;
}

Result<std::vector<nmm::NodeSnapshot>> Proxy::nodes() {
  std::vector<nmm::NodeSnapshot> nodes;
  const std::string name = service_name(Service::nmm);
  AKM_TRY(call({name, root_of(Service::nmm), name, "ListNodes"}, no_arguments, [&](Reader& in) -> Status {
    AKM_ASSIGN(nodes, read_nodes(in));
    return {};
  }));
  return nodes;
}

Result<std::uint64_t> Proxy::create_asr(const std::string& label, const std::vector<std::uint64_t>& node_ids,
                                        const std::map<std::string, std::string>& policy) {
  std::string path;
  const std::string name = service_name(Service::nmm);
  AKM_TRY(call(
      {name, root_of(Service::nmm), name, "CreateAsr"},
      [&](Writer& out) { out.text(label).u64s(node_ids).text_map(policy); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(path, in.object_path());
        return {};
      }));
  return parse_hex_id(std::string_view(path).substr(path.rfind('/') + 1));
}

Status Proxy::add_member(std::uint64_t asr_id, std::uint64_t node_id) {
  return nmm_call("AddMember", {asr_id, node_id});
}

Status Proxy::remove_member(std::uint64_t asr_id, std::uint64_t node_id) {
  return nmm_call("RemoveMember", {asr_id, node_id});
}

Status Proxy::set_policy(std::uint64_t asr_id, const std::map<std::string, std::string>& policy) {
  const std::string name = service_name(Service::nmm);
  return call(
      {name, root_of(Service::nmm), name, "SetPolicy"},
      [&](Writer& out) { out.u64(asr_id).text_map(policy); }, nothing);
}

Result<Proxy::Attested> Proxy::attest(std::uint64_t node_id, bool accept) {
  Attested attested;
  const std::string name = service_name(Service::nmm);
  AKM_TRY(call(
      {name, root_of(Service::nmm), name, "Attest"}, [&](Writer& out) { out.u64(node_id).boolean(accept); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(attested.outcome, in.text(limits::kNameBytes));
        AKM_ASSIGN(attested.pcr_digest, in.text(limits::kNameBytes));
        AKM_ASSIGN(attested.log_digest, in.text(limits::kNameBytes));
        return {};
      }));
  return attested;
}

Result<Proxy::PreparedForTpm> Proxy::prepare_for_tpm(const PrepareForTpm& what) {
  PreparedForTpm prepared;
  const std::string name = service_name(Service::nmm);
  AKM_TRY(call(
      {name, root_of(Service::nmm), name, "PrepareForTpm"},
      [&](Writer& out) {
        out.text(what.node_name).texts(what.node_endpoints).bytes(what.identity).text(what.place);
      },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(prepared.node_id, in.u64());
        AKM_ASSIGN(prepared.path, in.text(limits::kTextBytes));
        AKM_ASSIGN(prepared.fingerprint, in.text(limits::kNameBytes));
        AKM_ASSIGN(prepared.digest, in.text(limits::kNameBytes));
        AKM_ASSIGN(prepared.certified, in.boolean());
        AKM_ASSIGN(prepared.certificate, in.text(limits::kTextBytes));
        AKM_ASSIGN(prepared.pcr_digest, in.text(limits::kNameBytes));
        return {};
      }));
  return prepared;
}

Status Proxy::set_golden_pcrs(std::uint64_t node_id, const std::vector<std::uint8_t>& pcr_digest) {
  const std::string name = service_name(Service::nmm);
  return call(
      {name, root_of(Service::nmm), name, "SetGoldenPcrs"},
      [&](Writer& out) { out.u64(node_id).bytes(pcr_digest); }, nothing);
}

Status Proxy::delete_asr(std::uint64_t asr_id) {
  return nmm_call("DeleteAsr", {asr_id});
}

Status Proxy::quarantine(std::uint64_t node_id) {
  return nmm_call("Quarantine", {node_id});
}

Status Proxy::readmit(std::uint64_t node_id) {
  return nmm_call("Readmit", {node_id});
}

struct Proxy::Following {
  const EventHandler& handler;
  bool go_on = true;

  static int on_event(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto* self = static_cast<Following*>(userdata);
    Reader in(message);
    const Result<EventRecord> event = read_event(in);
    const char* interface = sd_bus_message_get_interface(message);
    if (!event || interface == nullptr || !self->go_on) return 0;
    for (const Service service : kServices) {
      if (std::string_view(interface) == service_name(service)) self->go_on = self->handler(service, *event);
    }
    return 0;
  }
};

Status Proxy::follow(const std::function<void()>& ready, const EventHandler& handler, const Waiter& wait) {
  Following following{handler};
  for (const Service service : kServices) {
    // The sender is named, so that nobody else's signals are believed.
    const int r = sd_bus_match_signal(bus_, nullptr, service_name(service), root_of(service).c_str(),
                                      service_name(service), "Event", Following::on_event, &following);
    if (r < 0) return std::unexpected(error_from_errno(r, "following events"));
  }
  ready();
  while (following.go_on) {
    int r = sd_bus_process(bus_, nullptr);
    if (r == 0 && wait) {
      const auto events = static_cast<short>(std::max(sd_bus_get_events(bus_), 0));
      if (!wait({.fd = sd_bus_get_fd(bus_), .events = events, .revents = 0})) return {};
    } else if (r == 0) {
      r = sd_bus_wait(bus_, UINT64_MAX);
    }
    if (r < 0 && r != -EINTR) return std::unexpected(error_from_errno(r, "the connection to the bus"));
  }
  return {};
}

}  // namespace akm::dbus
