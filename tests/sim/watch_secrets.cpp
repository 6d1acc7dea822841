// The part of the watch that asks where secrets are: erased when no state needs them, known to nobody outside
// the roster, and in the keyring what belongs there.
#include <algorithm>

#include "daemon/protocol/asr_record.h"
#include "tests/sim/watch.h"

namespace akm::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kAskAgain = 60ms;
// Relationship by relationship: three chains in each of three generations; of each chain in use the candidate
// of the attempt and the stored ones, each with what it re-roots to; and what a step that is not settled has
// replaced.
constexpr std::size_t kPdvsPerAsr = (protocol::limits::kGenerationsPerAsr + 1) * protocol::kChainCount +
                                    (protocol::limits::kStoredCandidates + 1) * (1 + 2 + 3);

Owner owner_of(std::size_t machine) {
  return static_cast<Owner>(machine + 1);
}

void add_state(const protocol::ChainState& state, const protocol::Session& session,
               std::unordered_set<SecretName>& needed) {
  needed.insert(name_of(state.pdv.reveal()));
  needed.insert(name_of(state.seed.reveal()));
  needed.insert(name_of(session.secret().reveal()));
}

/// What a record brings back.
void add_needed(const protocol::Generation& generation, std::unordered_set<SecretName>& needed) {
  for (const protocol::ChainLink* link : generation.ladder.links()) {
    if (!link->is_spent()) add_state(link->base(), *link->session(), needed);
    for (const protocol::CandidatePtr& candidate : link->stored()) {
      add_state(candidate->next, *candidate->session, needed);
      if (!candidate->prk.empty()) needed.insert(name_of(candidate->prk.reveal()));
      for (const protocol::Reroot& start : candidate->reroots) add_state(start.next, *start.session, needed);
    }
  }
}

}  // namespace

void Watch::read_needed(std::size_t machine) {
  Watched& watched = machines_[machine];
  for (const protocol::AsrId id : watched.unread) {
    auto& needed = watched.needed[id];
    needed.clear();
    const auto record = fleet_.machine(machine).disk.find(id);
    if (record == fleet_.machine(machine).disk.end()) continue;
    const auto restored = protocol::decode_record(record->second, fleet_.now());
    if (!check(Invariant::durable, restored.has_value(),
               name_of_machine(machine) + " stored what is no record")) {
      continue;
    }
    add_needed(*restored->state.current, needed);
    if (restored->state.installed) add_needed(*restored->state.installed, needed);
    for (const protocol::ChainLink* link : restored->state.current->ladder.links()) {
      check(Invariant::limits, link->stored().size() <= protocol::limits::kStoredCandidates,
            "stored candidates");
    }
  }
  watched.unread.clear();
}

void Watch::stepped(std::size_t machine) {
  datagram_.reset();
  const auto& engine = *fleet_.machine(machine).engine;
  ++figures_.checks;
  const LiveCount live = live_count(owner_of(machine));
  const std::size_t relationships = fleet_.machine(machine).disk.size() + 1;
  if (live.pdvs > relationships * kPdvsPerAsr) {
    violate(Invariant::limits, name_of_machine(machine) + " holds " + std::to_string(live.pdvs) + " PDVs");
  }
  if (const auto deadline = engine.next_deadline(); deadline && deadline->ns < 0) {
    violate(Invariant::limits, "a deadline before time began");
  }
  Watched& watched = machines_[machine];
  if (watched.unrested && fleet_.now() >= watched.rests_at) check_rest(machine);
}

/// Nothing that was derived is alive but what the records hold. Only at rest: an attempt has a candidate that
/// is on no disk, the grace time an old key.
void Watch::check_rest(std::size_t machine) {
  Watched& watched = machines_[machine];
  const protocol::Engine& engine = *fleet_.machine(machine).engine;
  for (const protocol::AsrId id : engine.relationships()) {
    if (engine.view(id)->phase == protocol::Phase::se) continue;
    watched.rests_at = fleet_.now() + kAskAgain;
    return;
  }
  watched.unrested = false;
  read_needed(machine);
  std::unordered_set<SecretName> needed;
  for (const auto& [id, of_record] : watched.needed) needed.insert(of_record.begin(), of_record.end());
  struct Search {
    const std::unordered_set<SecretName>& derived;
    const std::unordered_set<SecretName>& needed;
    std::size_t left = 0;
    std::size_t size = 0;
  } search{derived_by(owner_of(machine)), needed};
  const auto visit = [](void* context, std::span<const std::uint8_t> secret) {
    auto& look = *static_cast<Search*>(context);
    const SecretName name = name_of(secret);
    if (!look.derived.contains(name) || look.needed.contains(name)) return;
    ++look.left;
    look.size = secret.size();
  };
  each_live(owner_of(machine), visit, &search);
  check(Invariant::erasure, search.left == 0,
        name_of_machine(machine) + " still holds " + std::to_string(search.left) +
            " secrets that no state needs, one of " + std::to_string(search.size) + " bytes");
  check_keyring(machine);
}

void Watch::check_keyring(std::size_t machine) {
  const Fleet::Machine& here = fleet_.machine(machine);
  for (const auto& [id, places] : here.keyring) {
    const KeyPlace& current = places[static_cast<std::size_t>(protocol::KeySlot::current)];
    const KeyPlace& candidate = places[static_cast<std::size_t>(protocol::KeySlot::candidate)];
    const auto needed = machines_[machine].needed.find(id);
    const auto fits = [&](const KeyPlace& place) {
      if (!place.certain) return true;
      if (!place.key) return true;
      return needed != machines_[machine].needed.end() && needed->second.contains(place.key->name);
    };
    check(Invariant::keyring, fits(current) && fits(candidate),
          name_of_machine(machine) + "'s keyring holds a key that no state needs");
    const bool known = here.disk.contains(id);
    check(Invariant::keyring, !current.certain || current.key.has_value() == known,
          name_of_machine(machine) + (known ? "'s keyring lacks the key" : "'s keyring keeps a retired key"));
  }
}

void Watch::finish() {
  for (std::size_t machine = 0; machine < fleet_.size(); ++machine) {
    const auto& derived = derived_by(owner_of(machine));
    for (const auto& [generation, secrets] : secrets_) {
      if (is_in(generation, machine)) continue;
      const bool knows =
          std::ranges::any_of(secrets, [&](SecretName name) { return derived.contains(name); });
      check(Invariant::eviction, !knows,
            name_of_machine(machine) + " derived a key of generation " + std::to_string(generation) +
                " without being in it");
    }
  }
}

}  // namespace akm::sim
