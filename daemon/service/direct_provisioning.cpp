#include "daemon/service/direct_provisioning.h"

#include <algorithm>

#include "daemon/base/earliest.h"
#include "daemon/base/instant.h"
#include "daemon/protocol/handover.h"
#include "dbus/direct_address.h"
#include "dbus/sealed_memfd.h"

namespace akm::service {

DirectProvisioning::DirectProvisioning(io::Loop& loop, dbus::RemoteRole role, const DirectSettings& settings,
                                       std::function<void()> after)
    : loop_(loop), role_(role), settings_(settings), after_(std::move(after)) {
  loop_.add_deadline(
      [this]() -> std::optional<Instant> {
        Earliest next;
        for (const Session& session : sessions_) {
          if (session.over) continue;
          next.consider(session.node->timeout());
          next.consider(session.until);
        }
        return next.at();
      },
      [this] {
        const Instant now = boottime_now();
        for (Session& session : sessions_) {
          if (session.until && now >= *session.until)
            finish(session, fail(Errc::timed_out, "nobody has confirmed the fingerprint"));
          process(session);
        }
      });
  loop_.at_end_of_turn([this] { end_of_turn(); });
}

DirectProvisioning::~DirectProvisioning() {
  for (Session& session : sessions_) {
    if (session.watch) loop_.unwatch(*session.watch);
    session.over = true;  // replies that the node's end brings now concern nobody
  }
}

bool DirectProvisioning::must_compare(bool is_local) const {
  switch (settings_.confirm) {
    case DirectConfirm::always:
      return true;
    case DirectConfirm::remote:
      return !is_local;
    case DirectConfirm::never:
      return false;
  }
  return true;
}

DirectProvisioning::Session* DirectProvisioning::find(std::uint64_t handle) {
  const auto at =
      std::ranges::find_if(sessions_, [handle](const Session& s) { return s.handle == handle && !s.over; });
  return at == sessions_.end() ? nullptr : &*at;
}

void DirectProvisioning::begin(Make make, const std::string& bus_address, Reply<DirectOffer> reply) {
  if (sessions_.size() >= kDirectSessions) return reply(fail(Errc::busy, "direct provisionings under way"));
  const auto address = dbus::resolve_direct_address(bus_address, settings_.addresses);
  if (!address) return reply(std::unexpected(address.error()));
  auto node = dbus::RemoteNode::connect(*address, role_);
  if (!node) return reply(std::unexpected(node.error()));
  Session& session = sessions_.emplace_back();
  session.handle = ++last_handle_;
  session.node = std::move(*node);
  session.make = std::move(make);
  session.is_local = address->is_local;
  session.begun = std::move(reply);
  session.events = session.node->events();
  auto watch = loop_.watch(session.node->fd(), static_cast<std::uint32_t>(session.events),
                           [this, &session](std::uint32_t) { process(session); });
  if (!watch) return finish(session, std::unexpected(watch.error()));
  session.watch = *watch;
  session.node->offer_handover(kDirectTimeout,
                               [this, &session](auto offer) { offered(session, std::move(offer)); });
}

void DirectProvisioning::offered(Session& session, Result<dbus::RemoteOffer> offer) {
  if (session.over) return;
  if (!offer) return finish(session, std::unexpected(offer.error()));
  // Computed here: what the other side says of it is what is to be found out.
  crypto::X25519PublicKey key{};
  protocol::HardwareValue value{};
  std::ranges::copy(offer->key, key.begin());
  std::ranges::copy(offer->value, value.begin());
  auto fingerprint = protocol::handover_fingerprint(key, value, offer->nmm_id);
  if (!fingerprint) return finish(session, std::unexpected(fingerprint.error()));
  session.fingerprint = std::move(*fingerprint);
  session.offer = std::move(*offer);
  session.until = boottime_now() + kConfirmTimeout;
  Reply<DirectOffer> begun = std::move(session.begun);
  begun(DirectOffer{session.handle, session.fingerprint, session.offer->value, session.offer->sources,
                    must_compare(session.is_local)});
}

void DirectProvisioning::confirm(std::uint64_t handle, std::string_view fingerprint,
                                 Reply<std::uint64_t> reply) {
  Session* session = find(handle);
  if (session == nullptr || !session->until)
    return reply(fail(Errc::not_found, "no such direct provisioning waits"));
  session->done = std::move(reply);
  session->until.reset();
  if (!protocol::same_fingerprint(session->fingerprint, fingerprint)) {
    return finish(*session,
                  fail(Errc::not_authentic,
                       fingerprint.empty() ? "the fingerprint was not confirmed; nothing was sent"
                                           : "the other side's fingerprint is " + session->fingerprint +
                                                 ", not the given one: this is another machine, or somebody "
                                                 "stands between; nothing was sent"));
  }
  // Only now a serial is used up. The connection may be over before the credentials are there.
  session->make(*session->offer, [this, handle](Result<protocol::BundleContent> content) {
    made(handle, std::move(content));
  });
}

void DirectProvisioning::made(std::uint64_t handle, Result<protocol::BundleContent> content) {
  Session* session = find(handle);
  if (session == nullptr) return;
  if (!content) return finish(*session, std::unexpected(content.error()));
  if (const Status sent = hand_over(*session, *content); !sent)
    finish(*session, std::unexpected(sent.error()));
}

Status DirectProvisioning::hand_over(Session& session, const protocol::BundleContent& content) {
  auto answered = [this, &session, id = content.identity.node_id](const Status& status) {
    if (session.over) return;
    finish(session, status ? Result<std::uint64_t>(id) : std::unexpected(status.error()));
  };
  if (session.is_local) {
    AKM_ASSIGN(const SecretBuffer bundle, protocol::encode_direct_bundle(content));
    AKM_ASSIGN(UniqueFd memfd, dbus::make_sealed_memfd("akm-bundle", bundle.reveal()));
    session.node->provision(std::move(memfd), kDirectTimeout, std::move(answered));
    return {};
  }
  crypto::X25519PublicKey key{};
  protocol::HardwareValue value{};
  std::ranges::copy(session.offer->key, key.begin());
  std::ranges::copy(session.offer->value, value.begin());
  SystemRandom random;
  AKM_ASSIGN(const auto sealed, protocol::seal_handover(content, key, value, random));
  session.node->provision_sealed(sealed, kDirectTimeout, std::move(answered));
  return {};
}

void DirectProvisioning::start(Make make, const std::string& bus_address, Reply<std::uint64_t> reply) {
  begin(std::move(make), bus_address, [this, reply = std::move(reply)](Result<DirectOffer> offer) mutable {
    if (!offer) return reply(std::unexpected(offer.error()));
    if (!offer->confirm) return confirm(offer->handle, offer->fingerprint, std::move(reply));
    const auto refused = [](const Result<std::uint64_t>&) {};
    confirm(offer->handle, "", refused);
    reply(fail(Errc::refused_by_policy, "an operator compares fingerprints first (direct.confirm)"));
  });
}

/// The session goes at the end of the turn: a connection must not be destroyed from within its own reply.
void DirectProvisioning::finish(Session& session, Result<std::uint64_t> result) {
  if (session.over) return;
  session.over = true;
  session.until.reset();
  if (Reply<std::uint64_t> done = std::move(session.done)) return done(std::move(result));
  if (Reply<DirectOffer> begun = std::move(session.begun))
    begun(std::unexpected(result ? Error{Errc::internal, {}} : std::move(result).error()));
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

}  // namespace akm::service
