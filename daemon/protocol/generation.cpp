#include "daemon/protocol/generation.h"

#include <algorithm>

namespace akm::protocol {
namespace {

// A record holds two generations and must fit the arena's largest secret, with room for candidates.
constexpr std::size_t kRosterTextBytes = 256 * 1024;
constexpr std::size_t kMemberOverheadBytes = 32;

/// What a record could not bring back, or a frame not carry, is not taken.
Status check_roster(const AsrDescription& description) {
  std::size_t size = 0;
  for (const Member& member : description.roster) {
    if (member.index >= limits::kMembers) return fail(Errc::limit_exceeded, "roster index");
    if (member.endpoints.size() > limits::kEndpointsPerMember) return fail(Errc::limit_exceeded, "endpoints");
    size += kMemberOverheadBytes + member.name.size();
    for (const std::string& endpoint : member.endpoints) {
      AKM_TRY(parse_endpoint(endpoint));
      size += endpoint.size() + 2;
    }
  }
  if (size > kRosterTextBytes) return fail(Errc::limit_exceeded, "roster text");
  return {};
}

std::optional<Endpoint> group_of(const Policy& policy) {
  if (policy.topology != Topology::multicast) return std::nullopt;
  const auto address = parse_endpoint(policy.multicast_group);
  return address ? std::optional(*address) : std::nullopt;
}

}  // namespace

KeyContext key_context_of(const AsrDescription& description) {
  return {description.suite, description.id, description.generation, description.roster_hash()};
}

Generation Generation::of(std::shared_ptr<const AsrDescription> description, std::uint16_t own_index,
                          std::shared_ptr<PeerTable> peers, Ladder ladder) {
  const KeyContext context = key_context_of(*description);
  const auto group = group_of(description->policy);
  return {std::move(description), context, own_index, std::move(peers), std::move(ladder), group, {}};
}

void Generation::set_policy(const Policy& policy) {
  auto changed = std::make_shared<AsrDescription>(*description);
  changed->policy = policy;
  group = group_of(policy);
  description = std::move(changed);
}

Result<Generation> Generation::install(const Asr& asr, std::uint16_t own_index) {
  AKM_TRY(asr.description.check());
  if (asr.description.member(own_index) == nullptr) return fail(Errc::invalid_argument, "own index");
  AKM_TRY(check_roster(asr.description));
  auto description = std::make_shared<const AsrDescription>(asr.description);
  const KeyContext context = key_context_of(*description);
  AKM_ASSIGN(ChainLink normal, ChainLink::install(context, Chain::normal, asr.chains[0]));
  AKM_ASSIGN(ChainLink fallback, ChainLink::install(context, Chain::fallback, asr.chains[1]));
  AKM_ASSIGN(ChainLink failsafe, ChainLink::install(context, Chain::failsafe, asr.chains[2]));
  auto peers = std::make_shared<PeerTable>(*description);
  return of(std::move(description), own_index, std::move(peers),
            Ladder({Establishment(std::move(normal)), Establishment(std::move(fallback)),
                    Establishment(std::move(failsafe))}));
}

Surroundings Generation::around(Instant now, RandomSource& random) const {
  const bool reachable = std::ranges::any_of(peers->all(), [this](const Peer& peer) {
    return peer.index != own_index && peer.endpoint.has_value();
  });
  return {*description, context, *peers, ladder.links(), own_index, ladder.high_epoch(), reachable,
          true,         now,     now,    random};
}

void Generation::begin_standing(Instant now) {
  const Chain active = ladder.active();
  standing = {now, now, active, chain(active).phase(), false};
}

void Generation::note_standing(const Orders& orders, Instant now) {
  if (orders.committed) {
    standing.session_since = now;
    standing.nmm_asked = false;
  }
  if (orders.chains_exhausted) standing.nmm_asked = true;
  const Chain active = ladder.active();
  const Phase phase = chain(active).phase();
  if (active == standing.chain && phase == standing.phase) return;
  standing.chain = active;
  standing.phase = phase;
  standing.phase_since = now;
}

void Generation::learn_from(const Generation& before) {
  for (const Peer& known : before.peers->all()) {
    const Member* again = description->member_by_node(before.description->member(known.index)->node_id);
    if (again == nullptr) continue;
    Peer& peer = *peers->find(again->index);
    if (peer.last_heard > known.last_heard) continue;
    if (peer.last_heard && peer.last_heard == known.last_heard && !peer.from_before) continue;
    // It holds until the member is heard under these keys: a machine that took its place may count its starts
    // anew.
    const bool same = peer.incarnation == known.incarnation && peer.salt == known.salt;
    peer.from_before = known.incarnation != 0 && (!same || peer.from_before);
    peer.incarnation = known.incarnation;
    peer.salt = known.salt;
    peer.incarnation_since = known.incarnation_since;
    peer.incarnation_from = known.incarnation_from;
    peer.last_heard = known.last_heard;
    peer.generation = known.generation;
    peer.epoch = known.epoch;
    peer.since = known.since;
    if (!peer.endpoint_is_given && known.endpoint) peer.endpoint = known.endpoint;
  }
}

KeyCheckValue Generation::check() const {
  const auto value =
      key_check_value(context, Chain::normal, normal().link().epoch(), normal().link().session()->secret());
  return value.value_or(KeyCheckValue{});
}

}  // namespace akm::protocol
