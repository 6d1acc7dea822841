#include "daemon/protocol/relationship.h"

#include <algorithm>
#include <array>
#include <set>

#include "daemon/base/earliest.h"
#include "daemon/protocol/asr_codec.h"

namespace akm::protocol {
namespace {

using namespace std::chrono_literals;

/// Some member of `before` is not in `now`.
bool leaves_out(const AsrDescription& before, const AsrDescription& now) {
  std::set<NodeId> kept;
  for (const Member& member : now.roster) kept.insert(member.node_id);
  return std::ranges::any_of(before.roster, [&](const Member& m) { return !kept.contains(m.node_id); });
}

}  // namespace

Result<Relationship> Relationship::restore(const SecretBuffer& record, StepContext& step) {
  AKM_ASSIGN(RestoredAsr restored, decode_record(record, step.now));
  Relationship relationship(restored.state.current->description->id);
  relationship.state_ = std::move(restored.state);
  Generation& current = *relationship.state_.current;
  current.normal().link().session()->mark_restored();
  if (restored.peer_endpoint) {
    for (Peer& peer : current.peers->all()) {
      if (peer.index != current.own_index && !peer.endpoint_is_given) peer.endpoint = restored.peer_endpoint;
    }
  }
  relationship.install_key(KeySlot::current, *current.normal().link().session(), step);
  if (const auto next = current.ladder.next_normal())
    relationship.install_key(KeySlot::candidate, *next, step);
  current.ladder.resume_after_restart(current.around(step.now, step.random));
  current.begin_standing(step.now);
  return relationship;
}

void Relationship::prepare_change() {
  if (!before_) before_ = std::make_unique<RelationshipState>(state_);
}

SecretBuffer Relationship::record() {
  dirty_ = false;
  return encode_record(state_, learned_endpoint());
}

void Relationship::undo() {
  if (!before_) return;
  state_ = std::move(*before_);
  before_.reset();
  control_.forget_unexecuted(state_.executed);
}

std::optional<Endpoint> Relationship::learned_endpoint() const {
  if (empty() || kind() != Kind::provisioning) return std::nullopt;
  for (const Peer& peer : state_.current->peers->all()) {
    if (peer.index != state_.current->own_index) return peer.endpoint;
  }
  return std::nullopt;
}

Generation* Relationship::find(std::uint32_t generation) {
  for (auto* held : {&state_.current, &state_.installed, &state_.grace}) {
    if (*held && (*held)->number() == generation) return &**held;
  }
  return nullptr;
}

// ---------------------------------------------------------------------------------------------------------------
// Generations.

Status Relationship::install(InstallAsr event, StepContext& step) {
  const AsrDescription& description = event.asr.description;
  if (state_.current) {
    const std::uint32_t newest = state_.installed ? state_.installed->number() : state_.current->number();
    if (description.generation <= newest) return fail(Errc::stale_generation);
    if (description.kind != kind()) return fail(Errc::invalid_argument, "kind of a known ASR");
  }
  AKM_ASSIGN(Generation generation, Generation::install(event.asr, event.own_index));
  if (state_.current) generation.learn_from(*state_.current);
  prepare_change();
  dirty_ = true;
  const bool retires_current = state_.current && event.retire >= state_.current->number();
  if (!state_.current || event.immediate || retires_current) {
    make_current(std::move(generation), false, step);
  } else {
    state_.installed = std::move(generation);
  }
  return {};
}

Status Relationship::switch_generation(std::uint32_t generation, StepContext& step) {
  if (state_.current && state_.current->number() == generation) return {};
  if (!state_.installed || state_.installed->number() != generation) {
    return fail(Errc::not_found, "installed generation");
  }
  prepare_change();
  dirty_ = true;
  Generation next = std::move(*state_.installed);
  make_current(std::move(next), true, step);
  return {};
}

Status Relationship::set_policy(const Policy& policy, StepContext& step) {
  if (kind() != Kind::operational) {
    return fail(Errc::refused_by_policy, "the policy of a provisioning ASR comes with its credentials");
  }
  AKM_TRY(check_policy(policy));
  Generation& current = *state_.current;
  const bool known = current.description->policy == policy &&
                     (!state_.installed || state_.installed->description->policy == policy);
  if (known) return {};
  prepare_change();
  dirty_ = true;
  current.set_policy(policy);
  if (state_.installed) state_.installed->set_policy(policy);
  Establishment& normal = current.normal();
  normal.plan_rekey_again(current.around(step.now, step.random));
  if (normal.link().session()->frames_sent() >= policy.rekey_after_frames) normal.rekey_now(step.now);
  // Its time in the keyring follows the new interval.
  install_key(KeySlot::current, *normal.link().session(), step);
  return {};
}

/// `generation` replaces the current one, which receives for the grace time if it is kept, else is erased.
void Relationship::make_current(Generation generation, bool keep_old, StepContext& step) {
  const bool had_candidate = state_.current && state_.current->ladder.has_candidate();
  if (state_.current) generation.learn_from(*state_.current);  // what was heard since the install
  state_.installed.reset();
  state_.grace.reset();
  if (state_.current && keep_old) {
    state_.grace = std::move(state_.current);
    state_.grace_until = step.now + std::chrono::milliseconds(state_.grace->description->policy.grace_ms);
    state_.grace_shut = leaves_out(*state_.grace->description, *generation.description);
  }
  state_.current = std::move(generation);
  Generation& current = *state_.current;
  current.ladder.resume(current.around(step.now, step.random));
  current.begin_standing(step.now);
  install_key(KeySlot::current, *current.normal().link().session(), step);
  if (had_candidate) step.effects.emplace_back(RevokeKey{id_, KeySlot::candidate});
  step.effects.emplace_back(GenerationSwitched{id_, current.number(), current.check()});
  step.effects.emplace_back(SessionCommitted{id_, current.number(), Chain::normal,
                                             current.normal().link().epoch(), current.check(), Duration{}});
}

void Relationship::revoke_keys(EffectList& effects) const {
  effects.emplace_back(RevokeKey{id_, KeySlot::current});
  effects.emplace_back(RevokeKey{id_, KeySlot::candidate});
}

std::uint32_t Relationship::spent_generation() const {
  if (empty()) return 0;
  const Generation& current = *state_.current;
  const ChainLinks links = current.ladder.links();
  const bool sent = std::ranges::any_of(links, [](const ChainLink* link) {
    return link->epoch() != 1 || link->session()->frames_sent() > 0;  // 0: a failsafe chain that was used
  });
  return sent ? current.number() : current.number() - 1;
}

void Relationship::install_key(KeySlot slot, const Session& session, StepContext& step) {
  const Policy& policy = state_.current->description->policy;
  const std::uint32_t timeout_s = key_timeout_s(policy);
  step.effects.emplace_back(InstallKey{id_, session.context().generation, session.chain(), session.epoch(),
                                       slot, session.secret().clone(), timeout_s});
  if (slot == KeySlot::current)
    refresh_at_ = step.now + std::chrono::seconds(timeout_s - kKeyTimeoutSlack_s / 2);
}

// ---------------------------------------------------------------------------------------------------------------
// Frames.

/// Section 4: cheapest check first. Nothing is written.
std::expected<Relationship::Opened, Refusal> Relationship::open(const FrameHeader& header,
                                                                std::span<const std::uint8_t> datagram,
                                                                const Endpoint& from,
                                                                std::span<std::uint8_t> plain,
                                                                StepContext& step) {
  Generation* generation = find(header.generation);
  if (generation == nullptr) return std::unexpected(Refusal::unknown_generation);
  const auto sessions = generation->ladder.sessions(header.chain, header.epoch);
  if (sessions.empty()) return std::unexpected(Refusal::unknown_epoch);
  Peer* peer = generation->peers->find(header.index);
  if (peer == nullptr) return std::unexpected(Refusal::unknown_sender);
  if (header.index == generation->own_index) return std::unexpected(Refusal::own_index);
  const bool stale = !peer->from_before && header.incarnation < peer->incarnation;
  const bool cloned =
      !peer->from_before && header.incarnation == peer->incarnation && header.salt != peer->salt;
  Refusal refusal = Refusal::not_authentic;
  // Two candidates may have the same target: each has its own key and its own window.
  for (const auto& session : sessions) {
    const auto size = session->open(header, datagram, plain);
    if (!size) {
      if (size.error() == Refusal::replayed) refusal = Refusal::replayed;
      continue;
    }
    if (!stale && !cloned) return Opened{generation, session, plain.first(*size)};
    session->accept(header, false);
    contradiction(header, *generation, *session, from, step);
    return std::unexpected(stale ? Refusal::stale_incarnation : Refusal::cloned_identity);
  }
  return std::unexpected(refusal);
}

/// An authentic frame of a second holder of a member's place, or of an old copy of it (section 4).
void Relationship::contradiction(const FrameHeader& header, const Generation& generation,
                                 const Session& session, const Endpoint& from, StepContext& step) {
  Peer& peer = *generation.peers->find(header.index);
  const Duration nnrt = std::chrono::milliseconds(generation.description->policy.nnrt_ms);
  const bool stale = header.incarnation < peer.incarnation;
  // Merely late: soon after the restart, or under what is being left (who has restarted starts a rekey). An
  // old copy that has missed epochs is heard on the chains that have not moved since.
  const bool present = state_.current && &generation == &*state_.current &&
                       &session == generation.chain(header.chain).link().session().get();
  if (stale && (!present || step.now - peer.incarnation_since <= nnrt)) return;
  // One report for each span: frames that were recorded and not delivered must not become a flood of reports.
  if (peer.last_contradiction && step.now - *peer.last_contradiction <= nnrt) return;
  peer.last_contradiction = step.now;
  // A given endpoint is where the member should be; if it was the copy that came first, this frame is from
  // there.
  const auto& first = peer.endpoint_is_given && peer.incarnation_from ? peer.incarnation_from : peer.endpoint;
  step.effects.emplace_back(
      ContradictionSeen{stale ? Contradiction::stale_incarnation : Contradiction::cloned_identity, id_,
                        peer.index, generation.description->member(peer.index)->node_id, from, first});
}

/// Window, incarnation and salt are written; the frame counts from here on.
void Relationship::accept(const FrameHeader& header, const Opened& opened, const Endpoint& from,
                          StepContext& step) {
  Peer& peer = *opened.generation->peers->find(header.index);
  opened.session->accept(header, true);
  if (header.incarnation != peer.incarnation || header.salt != peer.salt) {
    if (kind() == Kind::provisioning && peer.incarnation != 0) control_.peer_restarted();
    // First heard under a new serial, with a count of starts that began anew: another machine has its place.
    const bool first = peer.from_before || peer.incarnation == 0;
    if (kind() == Kind::provisioning && first && header.incarnation <= state_.executed.incarnation) {
      state_.executed = {};
    }
    peer.incarnation = header.incarnation;
    peer.salt = header.salt;
    peer.incarnation_since = step.now;
    peer.incarnation_from = from;
  }
  peer.from_before = false;
  peer.last_heard = step.now;
  ++step.counters.frames_accepted;
  // A frame that was overtaken says nothing about where its sender is now.
  if (peer.endpoint_is_given || opened.session->highest_from(header) != header.sequence) return;
  peer.endpoint = from;
  Establishment& normal = opened.generation->normal();
  if (!normal.rekey_planned() && normal.phase() == Phase::se && opened.generation == &*state_.current) {
    normal.plan_rekey(opened.generation->around(step.now, step.random));
  }
}

std::expected<void, Refusal> Relationship::receive(const FrameHeader& header,
                                                   std::span<const std::uint8_t> datagram,
                                                   const Endpoint& from, std::span<std::uint8_t> plain,
                                                   StepContext& step) {
  const auto taken = take(header, datagram, from, plain, step);
  if (!taken && header.type == FrameType::data) ++data_.refused;
  return taken;
}

/// A member speaks under what it has committed. Called after the step: a frame under a candidate may have
/// committed that here too.
void Relationship::note_heard(const FrameHeader& header, StepContext& step) {
  if (header.chain != Chain::normal) return;
  Generation* generation = find(header.generation);
  if (generation == nullptr || header.epoch > generation->normal().link().epoch()) return;
  Peer& peer = *generation->peers->find(header.index);
  if (std::pair(peer.generation, peer.epoch) >= std::pair(header.generation, header.epoch)) return;
  peer.generation = header.generation;
  peer.epoch = header.epoch;
  peer.since = step.now;
}

std::expected<void, Refusal> Relationship::take(const FrameHeader& header,
                                                std::span<const std::uint8_t> datagram, const Endpoint& from,
                                                std::span<std::uint8_t> plain, StepContext& step) {
  auto opened = open(header, datagram, from, plain, step);
  if (!opened) return std::unexpected(opened.error());
  switch (header.type) {
    case FrameType::session:
      return receive_session(header, *opened, from, step);
    case FrameType::control:
      return receive_control(header, *opened, from, step);
    case FrameType::data:
      return receive_data(header, *opened, from, step);
  }
  return std::unexpected(Refusal::bad_type);
}

std::expected<void, Refusal> Relationship::receive_session(const FrameHeader& header, const Opened& opened,
                                                           const Endpoint& from, StepContext& step) {
  auto payload = decode_session_payload(opened.payload);
  if (!payload) return std::unexpected(Refusal::malformed_payload);
  accept(header, opened, from, step);
  if (state_.grace && opened.generation == &*state_.grace) return std::unexpected(Refusal::not_expected);
  if (state_.installed && opened.generation == &*state_.installed) {
    (void)switch_generation(header.generation, step);  // cannot fail: this generation is installed
  }
  Generation& current = *state_.current;
  if (current.ladder.is_candidate(opened.session)) prepare_change();
  const Heard heard{header.index, header.incarnation, opened.session, std::move(*payload)};
  const Orders orders = current.ladder.hear(current.around(step.now, step.random), heard);
  carry_out(orders, step);
  if (heard.payload.event == SessionEvent::se || heard.payload.event == SessionEvent::sei) {
    note_heard(header, step);
  }
  if (!dirty_) settle();
  if (orders.refusal) return std::unexpected(*orders.refusal);
  return {};
}

/// Control and data go under what is committed: who sends them has switched to this generation, or committed
/// this candidate.
void Relationship::catch_up(const FrameHeader& header, const Opened& opened, StepContext& step) {
  if (state_.installed && opened.generation == &*state_.installed) {
    (void)switch_generation(header.generation, step);  // cannot fail: this generation is installed
  }
  Generation& current = *state_.current;
  if (current.ladder.is_candidate(opened.session)) {
    prepare_change();
    carry_out(current.ladder.hear_other(current.around(step.now, step.random), header.index, opened.session),
              step);
  }
  note_heard(header, step);
}

std::expected<void, Refusal> Relationship::receive_control(const FrameHeader& header, const Opened& opened,
                                                           const Endpoint& from, StepContext& step) {
  const auto fragment = decode_fragment(opened.payload);
  if (!fragment) return std::unexpected(Refusal::malformed_payload);
  if (header.chain != Chain::normal || kind() != Kind::provisioning)
    return std::unexpected(Refusal::not_expected);
  // Requests are repeated under the keys that are in use now; what was executed under older ones is not kept.
  const bool left = state_.grace && opened.generation == &*state_.grace;
  if (left && fragment->header.kind != MessageKind::response) return std::unexpected(Refusal::not_expected);
  accept(header, opened, from, step);
  catch_up(header, opened, step);
  const ControlLink::Sender sender{header.incarnation, header.salt, from};
  bool durable = false;
  const auto refusal = control_.hear(
      *fragment, sender, state_.executed, control_sender(step), [this] { prepare_change(); }, id_,
      step.effects, step.counters, durable);
  dirty_ |= durable;
  if (!dirty_) settle();
  if (refusal) return std::unexpected(*refusal);
  return {};
}

void Relationship::send(Generation& generation, std::uint16_t to, Session& session, FrameType type,
                        std::span<const std::uint8_t> payload, StepContext& step) {
  const Peer* peer = generation.peers->find(to);
  if (peer != nullptr && peer->endpoint) send_to(generation, *peer->endpoint, session, type, payload, step);
}

void Relationship::send_to(Generation& generation, const Endpoint& to, Session& session, FrameType type,
                           std::span<const std::uint8_t> payload, StepContext& step) {
  const Sender own{generation.own_index, step.options.incarnation, step.options.salt};
  auto frame = session.seal(own, type, payload);
  if (!frame) return;  // the key has sent all that it may; a rekey is due long before
  ++step.counters.frames_sent;
  step.effects.emplace_back(SendFrame{to, std::move(*frame)});
  count_frame(generation, session, step);
}

/// One frame more under this key: a rekey is due at the policy's number.
void Relationship::count_frame(Generation& generation, const Session& session, StepContext& step) {
  if (session.frames_sent() == generation.description->policy.rekey_after_frames) {
    generation.normal().rekey_now(step.now);
  }
}

SendMessage Relationship::control_sender(StepContext& step) {
  return [this, &step](const FragmentHeader& header, std::span<const std::uint8_t> body) {
    const auto fragments = Fragmenter::create(header, body);
    if (!fragments) return;  // the size was checked when the message was taken
    Generation& current = *state_.current;
    const std::uint16_t to = current.own_index == kNmmIndex ? kNodeIndex : kNmmIndex;
    for (std::uint16_t i = 0; i < fragments->count(); ++i) {
      SecretBuffer payload(fragments->payload_size(i));  // an install's body holds credentials
      fragments->write(i, payload.reveal_mutable());
      send(current, to, *current.normal().link().session(), FrameType::control, payload.reveal(), step);
    }
  };
}

// ---------------------------------------------------------------------------------------------------------------
// What a step of the establishment asks for.

void Relationship::carry_out(const Orders& orders, StepContext& step) {
  Generation& current = *state_.current;
  const ChainLink& link = current.normal().link();
  current.note_standing(orders, step.now);
  dirty_ |= orders.durable;
  if (orders.started) ++step.counters.attempts_started;
  if (orders.committed) {
    // The keyring before the first SE (section 5).
    install_key(KeySlot::current, *link.session(), step);
    step.effects.emplace_back(RevokeKey{id_, KeySlot::candidate});
  } else if (orders.candidate) {
    const Reroot* start = orders.candidate->reroot_of(Chain::normal);
    install_key(KeySlot::candidate, start != nullptr ? *start->session : *orders.candidate->session, step);
  }
  for (const Outgoing& outgoing : orders.frames) {
    std::array<std::uint8_t, kSessionPayloadBytes + limits::kBitmapBytes> bytes{};
    const auto payload = std::span(bytes).first(encoded_size(outgoing.payload));
    if (!encode_session_payload(outgoing.payload, payload)) continue;  // its own frames always fit
    if (outgoing.to.size() > 1 && current.group) {
      send_to(current, *current.group, *outgoing.under, FrameType::session, payload, step);
    } else {
      for (const std::uint16_t to : outgoing.to) {
        send(current, to, *outgoing.under, FrameType::session, payload, step);
      }
    }
    wipe(bytes.data(), bytes.size());
  }
  if (orders.committed) {
    ++step.counters.sessions_committed;
    step.effects.emplace_back(
        SessionCommitted{id_, current.number(), orders.chain, link.epoch(), current.check(), orders.took});
  }
  if (orders.failed) {
    ++step.counters.attempts_failed;
    step.effects.emplace_back(
        AttemptFailed{id_, orders.failed->target, orders.failed->failures, orders.failed->waited_for});
  }
  if (orders.chains_exhausted) step.effects.emplace_back(ChainsExhausted{id_, current.number()});
}

// ---------------------------------------------------------------------------------------------------------------
// What the role asks for, and time.

void Relationship::request_rekey(StepContext& step) {
  Generation& current = *state_.current;
  carry_out(current.ladder.start(current.around(step.now, step.random)), step);
}

Status Relationship::send_request(SendRequest event, StepContext& step) {
  if (kind() != Kind::provisioning) return fail(Errc::invalid_argument, "not a provisioning ASR");
  const Policy& policy = state_.current->description->policy;
  const Duration deadline = event.deadline > Duration{}
                                ? event.deadline
                                : Duration{std::chrono::seconds(policy.control_deadline_s)};
  return control_.request(std::move(event), deadline, step.now, step.random, control_sender(step));
}

Status Relationship::send_response(SendResponse event, StepContext& step) {
  return control_.respond(std::move(event), step.now, control_sender(step));
}

Status Relationship::set_peer_endpoint(const Endpoint& endpoint, StepContext& step) {
  if (kind() != Kind::provisioning) return fail(Errc::invalid_argument, "not a provisioning ASR");
  Generation& current = *state_.current;
  for (Peer& peer : current.peers->all()) {
    if (peer.index != current.own_index) peer.endpoint = endpoint;
  }
  if (!current.normal().rekey_planned()) current.normal().plan_rekey(current.around(step.now, step.random));
  return {};
}

void Relationship::tick(StepContext& step) {
  if (state_.grace && state_.grace_until <= step.now) state_.grace.reset();
  Generation& current = *state_.current;
  carry_out(current.ladder.tick(current.around(step.now, step.random)), step);
  control_.tick(step.now, control_sender(step), id_, step.effects);
  if (refresh_at_ && *refresh_at_ <= step.now) {
    // No rekey came through (a member is away), but this daemon lives: its consumers keep the key.
    install_key(KeySlot::current, *current.normal().link().session(), step);
  }
}

std::optional<Instant> Relationship::next_deadline() const {
  Earliest next;
  if (empty()) return std::nullopt;
  next.consider(state_.current->ladder.next_deadline());
  if (state_.grace) next.consider(state_.grace_until);
  next.consider(control_.next_deadline());
  next.consider(refresh_at_);
  return next.at();
}

}  // namespace akm::protocol
