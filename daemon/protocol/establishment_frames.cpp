// What an establishment sends, and to whom (section 5).
#include <algorithm>

#include "daemon/protocol/establishment.h"

namespace akm::protocol {
namespace {

constexpr std::size_t kLargestMesh = 16;                          // topology "automatic": star above
constexpr Duration kAnswerAgain = std::chrono::milliseconds(40);  // just below the first repeat of who asks
constexpr std::size_t kHelloInStar = 2;  // an SE outside an attempt goes to that many of the lowest indexes

}  // namespace

bool Establishment::star(const Surroundings& around) const {
  switch (around.description.policy.topology) {
    case Topology::mesh:
    case Topology::multicast:
      return false;
    case Topology::star:
      return true;
    case Topology::automatic:
      break;
  }
  return around.description.roster.size() > kLargestMesh;
}

std::vector<std::uint16_t> Establishment::everyone(const Surroundings& around) const {
  std::vector<std::uint16_t> list;
  list.reserve(around.description.roster.size());
  for (const Member& member : around.description.roster) {
    if (member.index != around.own_index) list.push_back(member.index);
  }
  return list;
}

/// Mesh: each to each other. Star: members to the initiator, which sends to all. What is sealed under a key
/// of P goes to P.
std::vector<std::uint16_t> Establishment::recipients(const Surroundings& around) const {
  auto all = everyone(around);
  const Bitmap& able = candidate_ ? candidate_->participants : last_.participants;
  if ((candidate_ || !attempt_) && !able.bytes().empty()) {
    std::erase_if(all, [&](std::uint16_t index) { return !able.test(index); });
  }
  if (!star(around)) return all;
  const std::uint16_t initiator = attempt_ ? attempt_->initiator : last_.initiator;
  if (initiator == around.own_index) return all;
  if (initiator != kNoInitiator) return {initiator};
  if (all.size() > kHelloInStar) all.resize(kHelloInStar);
  return all;
}

/// The initiator tells what the others cannot know: D in star, P where somebody is left out.
bool Establishment::closes(const Surroundings& around) const {
  return candidate_ && attempt_ && attempt_->initiator == around.own_index &&
         (star(around) || candidate_->participants.count() != around.description.roster.size());
}

std::vector<std::uint16_t> Establishment::but(std::vector<std::uint16_t> list, const Bitmap& known) const {
  std::erase_if(list, [&](std::uint16_t index) { return known.test(index); });
  return list;
}

/// Who is not known to have reached the present phase.
std::vector<std::uint16_t> Establishment::missing(const AsrDescription& description,
                                                  std::uint16_t own_index) const {
  std::vector<std::uint16_t> list;
  const auto& roster = description.roster;
  for (std::size_t place = 0; place < roster.size(); ++place) {
    const std::uint16_t index = roster[place].index;
    bool reached = index == own_index;
    switch (phase_) {
      case Phase::se:
        reached |= known_se_.test(index);
        break;
      case Phase::sei:
        reached |= attempt_->shares[place].here;
        break;
      case Phase::sec:
        reached |= known_sec_.test(index) || !candidate_->participants.test(index);
        break;
      case Phase::sef:
        reached |= known_sef_.test(index) || !candidate_->participants.test(index);
        break;
    }
    if (!reached) list.push_back(index);
  }
  return list;
}

Waiting Establishment::waiting(const AsrDescription& description, std::uint16_t own_index) const {
  Waiting out;
  out.failures = failures_;
  if (phase_ == Phase::se) {
    out.until = retry_at_;
    if (retry_at_ || failures_ > 0) out.members = waited_for_;
    return out;
  }
  out.target = attempt_->target;
  out.members = missing(description, own_index);
  out.until = timeout_at_ ? timeout_at_ : retry_at_;
  return out;
}

Bitmap Establishment::only_me(const Surroundings& around) const {
  Bitmap me = Bitmap::for_roster(around.description);
  me.set(around.own_index);
  return me;
}

Outgoing Establishment::inform_frame(std::vector<std::uint16_t> to) const {
  SessionPayload payload;
  payload.event = SessionEvent::sei;
  payload.initiator = attempt_->initiator;
  payload.target = attempt_->target;
  payload.high_epoch = attempt_->own.high_epoch;
  std::ranges::copy(attempt_->own.value->reveal(), payload.value.begin());
  return {std::move(to), link_.session(), std::move(payload)};
}

Outgoing Establishment::closing_frame(std::vector<std::uint16_t> to) const {
  SessionPayload payload;
  payload.event = SessionEvent::sei;
  payload.closing = true;
  payload.initiator = candidate_->initiator;
  payload.target = candidate_->target;
  payload.high_epoch = candidate_->high_epoch;
  payload.value = digest_;
  payload.bitmap = candidate_->participants;
  return {std::move(to), link_.session(), std::move(payload)};
}

/// SEC or SEF of the candidate.
Outgoing Establishment::phase_frame(Phase phase, std::vector<std::uint16_t> to) const {
  SessionPayload payload;
  payload.event = phase == Phase::sef ? SessionEvent::sef : SessionEvent::sec;
  payload.initiator = candidate_->initiator;
  payload.target = candidate_->target;
  payload.high_epoch = candidate_->high_epoch;
  payload.value = candidate_->transcript;
  payload.bitmap = phase == Phase::sef ? known_sef_ : known_sec_;
  return {std::move(to), candidate_->session, std::move(payload)};
}

Outgoing Establishment::established_frame(const Surroundings& around, std::vector<std::uint16_t> to) const {
  SessionPayload payload;
  payload.target = link_.epoch();
  payload.initiator = last_.initiator;
  payload.high_epoch = last_.initiator == kNoInitiator ? around.high_epoch : last_.high_epoch;
  payload.value = last_.transcript;
  return {std::move(to), link_.session(), std::move(payload)};
}

/// What one needs that is behind us. One that does not hold the candidate gets our contribution again, and D
/// from the initiator of a star, before the current frame. Two that derived from different contributions (one
/// restarted in between) look behind to each other for good: each answers the other once in a repeat's time,
/// not each answer.
void Establishment::answer(const Surroundings& around, std::uint16_t to, bool holds_candidate,
                           Orders& orders) {
  if (phase_ == Phase::se || !attempt_) return;
  if (!holds_candidate) {
    const auto [answered, first] = attempt_->answered.try_emplace(to, around.now);
    if (!first && around.now - answered->second < kAnswerAgain) return;
    answered->second = around.now;
    if (attempt_->own.here) orders.frames.push_back(inform_frame({to}));
    if (closes(around)) orders.frames.push_back(closing_frame({to}));
  }
  if (candidate_) orders.frames.push_back(phase_frame(phase_, {to}));
}

Orders Establishment::answer_behind(const Surroundings& around, std::uint16_t from) {
  Orders orders;
  // One that is known to have derived is not behind.
  if (!known_sec_.test(from)) answer(around, from, false, orders);
  return orders;
}

Orders Establishment::tell(const Surroundings& around, std::uint16_t to) const {
  Orders orders;
  orders.frames.push_back(established_frame(around, {to}));
  return orders;
}

Orders Establishment::remind(std::vector<std::uint16_t> to, std::uint32_t normal_epoch) const {
  Orders orders;
  if (link_.is_spent()) return orders;
  SessionPayload payload;
  payload.target = link_.epoch();
  payload.high_epoch = normal_epoch;
  orders.frames.push_back({std::move(to), link_.session(), std::move(payload)});
  return orders;
}

std::vector<CandidatePtr> Establishment::candidates() const {
  std::vector<CandidatePtr> list = link_.stored();
  if (candidate_ && std::ranges::find(list, candidate_) == list.end()) list.push_back(candidate_);
  return list;
}

CandidatePtr Establishment::candidate_of(const std::shared_ptr<Session>& session) const {
  if (candidate_ && candidate_->session == session) return candidate_;
  for (const CandidatePtr& stored : link_.stored()) {
    if (stored->session == session) return stored;
  }
  return nullptr;
}

std::vector<std::shared_ptr<Session>> Establishment::sessions(std::uint32_t epoch) const {
  std::vector<std::shared_ptr<Session>> list;
  const auto consider = [&](const std::shared_ptr<Session>& session) {
    if (session && session->epoch() == epoch && std::ranges::find(list, session) == list.end()) {
      list.push_back(session);
    }
  };
  consider(link_.session());
  consider(link_.previous());
  if (candidate_) consider(candidate_->session);
  for (const CandidatePtr& stored : link_.stored()) consider(stored->session);
  return list;
}

/// No member of a lower index was heard within NNRT.
bool Establishment::lowest_heard(const Surroundings& around) const {
  const Duration nnrt = std::chrono::milliseconds(around.description.policy.nnrt_ms);
  for (const Peer& peer : around.peers.all()) {
    if (peer.index >= around.own_index) return true;
    if (peer.last_heard && around.now - *peer.last_heard <= nnrt) return false;
  }
  return true;
}

}  // namespace akm::protocol
