// What may be shown of a relationship: how it stands, since when, and what it waits for.
#include <algorithm>

#include "daemon/protocol/relationship.h"

namespace akm::protocol {
namespace {

/// The attempt that is under way, or what comes after the last one.
Waiting add_waiting(const Generation& current, AsrView& view) {
  if (view.phase != Phase::se) {
    Waiting waiting = current.chain(view.chain).waiting(*current.description, current.own_index);
    view.awaited = Awaited::members;
    view.awaited_until = waiting.until;
    return waiting;
  }
  Waiting waiting;
  for (const Chain which : {Chain::normal, Chain::fallback, Chain::failsafe}) {
    Waiting own = current.chain(which).waiting(*current.description, current.own_index);
    if (own.until) waiting.until = own.until;
    // The highest chain that was tried is where the members were last waited for.
    if (own.failures == 0) continue;
    waiting.members = std::move(own.members);
  }
  if (waiting.until) {
    view.awaited = Awaited::next_attempt;
    view.awaited_until = waiting.until;
  }
  const auto turn = current.ladder.turn_above();
  if (turn && (!waiting.until || turn->second <= *waiting.until)) {
    view.awaited = turn->first == Chain::fallback ? Awaited::fallback : Awaited::failsafe;
    view.awaited_until = turn->second;
  }
  if (view.awaited == Awaited::nothing) waiting.members.clear();
  return waiting;
}

}  // namespace

AsrView Relationship::view() const {
  const Generation& current = *state_.current;
  AsrView view;
  view.description = *current.description;
  view.own_index = current.own_index;
  view.epoch = current.normal().link().epoch();
  view.chain = current.ladder.active();
  view.phase = current.chain(view.chain).phase();
  view.check = current.check();
  view.installed_generation = state_.installed ? state_.installed->number() : 0;
  view.failsafe_spent = current.chain(Chain::failsafe).link().is_spent();
  view.since = current.standing.session_since;
  view.phase_since = current.standing.phase_since;
  view.nmm_asked = current.standing.nmm_asked;
  view.data = data_;
  const Waiting waiting = add_waiting(current, view);
  view.target = waiting.target;
  for (const Peer& peer : current.peers->all()) {
    const bool awaited = std::ranges::binary_search(waiting.members, peer.index);
    view.members.push_back(
        {peer.index, peer.last_heard, peer.incarnation, peer.generation, peer.epoch, peer.since, awaited});
  }
  return view;
}

}  // namespace akm::protocol
