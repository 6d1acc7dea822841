#include "daemon/nmm/direct_provisioning.h"

#include <algorithm>

#include "daemon/base/earliest.h"
#include "daemon/base/instant.h"
#include "daemon/protocol/bundle.h"
#include "dbus/sealed_memfd.h"

namespace akm::nmm {

DirectProvisioning::DirectProvisioning(io::Loop& loop, Provisioner& provisioner, std::function<void()> after)
    : loop_(loop), provisioner_(provisioner), after_(std::move(after)) {
  loop_.add_deadline(
      [this]() -> std::optional<Instant> {
        Earliest next;
        for (const Session& session : sessions_) {
          if (!session.over) next.consider(session.node->timeout());
        }
        return next.at();
      },
      [this] {
        for (Session& session : sessions_) process(session);
      });
  loop_.at_end_of_turn([this] { end_of_turn(); });
}

DirectProvisioning::~DirectProvisioning() {
  for (Session& session : sessions_) {
    if (session.watch) loop_.unwatch(*session.watch);
    session.over = true;  // replies that the node's end brings now concern nobody
  }
}

void DirectProvisioning::start(ControlPort::Prepare what, const std::string& bus_address,
                               Reply<std::uint64_t> reply) {
  if (sessions_.size() >= kDirectSessions) {
    reply(fail(Errc::busy, "direct provisionings under way"));
    return;
  }
  auto node = dbus::RemoteNode::connect(bus_address);
  if (!node) {
    reply(std::unexpected(node.error()));
    return;
  }
  sessions_.push_back(Session{std::move(*node), std::move(what), std::move(reply), std::nullopt, 0, false});
  Session& session = sessions_.back();
  session.events = session.node->events();
  auto watch = loop_.watch(session.node->fd(), static_cast<std::uint32_t>(session.events),
                           [this, &session](std::uint32_t) { process(session); });
  if (!watch) {
    finish(session, std::unexpected(watch.error()));
    return;
  }
  session.watch = *watch;
  session.node->read_hardware_identity(
      kDirectTimeout, [this, &session](auto identity) { identified(session, std::move(identity)); });
}

void DirectProvisioning::identified(Session& session, Result<node::ControlPort::HardwareIdentity> identity) {
  if (session.over) return;
  if (!identity) {
    finish(session, std::unexpected(identity.error()));
    return;
  }
  session.what.hardware_value = identity->value;
  const auto content = provisioner_.prepare(session.what);
  if (!content) {
    finish(session, std::unexpected(content.error()));
    return;
  }
  const auto bundle = protocol::encode_direct_bundle(*content);
  auto memfd = bundle ? dbus::make_sealed_memfd("akm-bundle", bundle->reveal())
                      : Result<UniqueFd>(std::unexpected(bundle.error()));
  if (!memfd) {
    finish(session, std::unexpected(memfd.error()));
    return;
  }
  const std::uint64_t node_id = content->identity.node_id;
  session.node->provision(std::move(*memfd), kDirectTimeout, [this, &session, node_id](const Status& status) {
    if (session.over) return;
    finish(session, status ? Result<std::uint64_t>(node_id) : std::unexpected(status.error()));
  });
}

/// The session goes at the end of the turn: a connection must not be destroyed from within its own reply.
void DirectProvisioning::finish(Session& session, Result<std::uint64_t> result) {
  if (session.over) return;
  session.over = true;
  session.reply(std::move(result));
}

void DirectProvisioning::process(Session& session) {
  if (session.over) return;
  if (const Status status = session.node->process(); !status)
    finish(session, std::unexpected(status.error()));
  after_();
}

void DirectProvisioning::end_of_turn() {
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    if (at->over) {
      if (at->watch) loop_.unwatch(*at->watch);
      at = sessions_.erase(at);
      continue;
    }
    if (const short events = at->node->events(); events != at->events && at->watch) {
      at->events = events;
      if (const Status changed = loop_.change_watch(*at->watch, static_cast<std::uint32_t>(events));
          !changed) {
        finish(*at, std::unexpected(changed.error()));
        continue;  // gone in this pass: it is over now
      }
    }
    ++at;
  }
}

}  // namespace akm::nmm
