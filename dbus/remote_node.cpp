#include "dbus/remote_node.h"

#include <systemd/sd-bus.h>

#include "dbus/errors.h"
#include "dbus/limits.h"
#include "dbus/message.h"

namespace akm::dbus {
namespace {

/// The bus name, which is the interface's too.
const char* name_of(RemoteRole role) {
  switch (role) {
    case RemoteRole::node:
      return "org.akm.Node1";
    case RemoteRole::nmm:
      return "org.akm.Nmm1";
  }
  return "";
}
const char* path_of(RemoteRole role) {
  switch (role) {
    case RemoteRole::node:
      return "/org/akm/Node1";
    case RemoteRole::nmm:
      return "/org/akm/Nmm1";
  }
  return "";
}
constexpr std::size_t kSources = 64;

Result<RemoteOffer> read_offer(sd_bus_message* reply, RemoteRole role) {
  Reader in(reply);
  RemoteOffer offer;
  AKM_ASSIGN(offer.value, in.bytes(limits::kHardwareValueBytes));
  if (offer.value.size() != limits::kHardwareValueBytes)
    return fail(Errc::malformed, "the other side's hardware value");
  AKM_ASSIGN(offer.sources, in.pairs('r', kSources));
  AKM_ASSIGN(offer.key, in.bytes(limits::kHandoverKeyBytes));
  if (offer.key.size() != limits::kHandoverKeyBytes) return fail(Errc::malformed, "the other side's key");
  AKM_ASSIGN(offer.fingerprint, in.text(limits::kNameBytes));
  if (role == RemoteRole::nmm) {
    AKM_ASSIGN(offer.nmm_id, in.u64());
  }
  return offer;
}

}  // namespace

Result<std::unique_ptr<RemoteNode>> RemoteNode::connect(const DirectAddress& address, RemoteRole role) {
  AKM_ASSIGN(std::unique_ptr<Connection> connection, Connection::open_resolved(address.text));
  return std::unique_ptr<RemoteNode>(new RemoteNode(std::move(connection), role));
}

Status RemoteNode::process() {
  while (true) {
    AKM_ASSIGN(const bool more, connection_->process_one());
    if (!more) return {};
  }
}

void RemoteNode::offer_handover(Duration timeout, Reply<RemoteOffer> reply) {
  auto answered = [role = role_, reply = std::move(reply)](Result<sd_bus_message*> message) mutable {
    if (!message) return reply(std::unexpected(std::move(message).error()));
    reply(read_offer(*message, role));
  };
  connection_->call_method(name_of(role_), path_of(role_), name_of(role_), "OfferHandover", {}, timeout,
                           std::move(answered));
}

void RemoteNode::provision(UniqueFd bundle, Duration timeout, Done done) {
  // sd-bus duplicates it.
  provision_by(
      "ProvisionFromMemfd", [&bundle](Writer& out) { out.fd(bundle.get()); }, timeout, std::move(done));
}

void RemoteNode::provision_sealed(const std::vector<std::uint8_t>& sealed, Duration timeout, Done done) {
  provision_by("ProvisionSealed", [&sealed](Writer& out) { out.bytes(sealed); }, timeout, std::move(done));
}

void RemoteNode::provision_by(const char* member, const std::function<void(Writer&)>& write, Duration timeout,
                              Done done) {
  sd_bus_message* message = nullptr;
  int r = sd_bus_message_new_method_call(connection_->get(), &message, name_of(role_), path_of(role_),
                                         name_of(role_), member);
  if (r >= 0) {
    Writer out(message);
    write(out);
    r = out.status();
  }
  if (r < 0) {
    done(std::unexpected(error_from_errno(r, member)));
  } else {
    auto answered = [done = std::move(done)](Result<sd_bus_message*> reply) mutable {
      if (!reply) return done(std::unexpected(std::move(reply).error()));
      done({});
    };
    connection_->call(message, timeout, std::move(answered));
  }
  sd_bus_message_unref(message);
}

}  // namespace akm::dbus
