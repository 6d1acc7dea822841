#include "dbus/remote_node.h"

#include <systemd/sd-bus.h>

#include "dbus/errors.h"
#include "dbus/limits.h"
#include "dbus/message.h"

namespace akm::dbus {
namespace {

constexpr const char* kName = "org.akm.Node1";
constexpr const char* kPath = "/org/akm/Node1";
constexpr std::size_t kSources = 64;

Result<node::ControlPort::HardwareIdentity> read_identity(sd_bus_message* reply) {
  Reader in(reply);
  node::ControlPort::HardwareIdentity identity;
  AKM_ASSIGN(identity.value, in.bytes(limits::kHardwareValueBytes));
  if (identity.value.size() != limits::kHardwareValueBytes)
    return fail(Errc::malformed, "the node's hardware value");
  AKM_ASSIGN(identity.sources, in.pairs('r', kSources));
  return identity;
}

}  // namespace

Result<std::unique_ptr<RemoteNode>> RemoteNode::connect(const std::string& bus_address) {
  AKM_ASSIGN(std::unique_ptr<Connection> connection, Connection::open(bus_address));
  return std::unique_ptr<RemoteNode>(new RemoteNode(std::move(connection)));
}

Status RemoteNode::process() {
  while (true) {
    AKM_ASSIGN(const bool more, connection_->process_one());
    if (!more) return {};
  }
}

void RemoteNode::read_hardware_identity(Duration timeout, Reply<node::ControlPort::HardwareIdentity> reply) {
  auto answered = [reply = std::move(reply)](Result<sd_bus_message*> message) mutable {
    if (!message) return reply(std::unexpected(std::move(message).error()));
    reply(read_identity(*message));
  };
  connection_->call_method(kName, kPath, kName, "GetHardwareIdentity", {}, timeout, std::move(answered));
}

void RemoteNode::provision(UniqueFd bundle, Duration timeout, Done done) {
  sd_bus_message* message = nullptr;
  int r =
      sd_bus_message_new_method_call(connection_->get(), &message, kName, kPath, kName, "ProvisionFromMemfd");
  if (r >= 0) r = Writer(message).fd(bundle.get()).status();  // sd-bus duplicates it
  if (r < 0) {
    done(std::unexpected(error_from_errno(r, "ProvisionFromMemfd")));
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
