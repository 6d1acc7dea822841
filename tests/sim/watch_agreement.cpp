// The part of the watch that asks whether members agree: on what they have committed, and that all can
// follow.
#include <algorithm>
#include <utility>

#include "daemon/protocol/asr_record.h"
#include "tests/sim/watch.h"
#include "tests/sim/watch_words.h"

namespace akm::sim {
namespace {

// A record of a large group takes long to read.
constexpr std::size_t kTermsUpTo = 100;

}  // namespace

bool Watch::two_majorities(protocol::AsrId id, std::uint32_t generation) const {
  const auto& copied = fleet_.copied();
  return majority_ && id == kGroup && copied && is_in(generation, copied->from);
}

void Watch::begin_liveness() {
  highest_chain_.clear();
  for (Watched& watched : machines_) watched.failed.clear();
}

Watch::Rounds Watch::rounds() const {
  Rounds most{};
  for (std::size_t machine = 0; machine < machines_.size(); ++machine) {
    if (fleet_.machine(machine).hostile || fleet_.machine(machine).doubled) continue;
    for (const auto& [id, failed] : machines_[machine].failed) {
      const auto highest = highest_chain_.find(id);
      const auto chain = highest == highest_chain_.end() ? protocol::Chain::normal : highest->second;
      std::uint64_t& here = most[static_cast<std::size_t>(chain)];
      here = std::max(here, failed);
    }
  }
  return most;
}

// ---------------------------------------------------------------------------------------------------------------
// Terms: (generation, chain, epoch, transcript).

/// The candidates of a record that was stored: each before anybody commits it.
void Watch::note_terms(std::size_t machine, protocol::AsrId id) {
  if (fleet_.size() > kTermsUpTo) return;
  const auto record = fleet_.machine(machine).disk.find(id);
  const auto restored = protocol::decode_record(record->second, fleet_.now());
  if (!restored) return;
  const protocol::Generation& current = *restored->state.current;
  for (const protocol::ChainLink* link : current.ladder.links()) {
    for (const protocol::CandidatePtr& candidate : link->stored()) {
      const protocol::Reroot* start = candidate->reroot_of(protocol::Chain::normal);
      const protocol::Session& next = start != nullptr ? *start->session : *candidate->session;
      const Terms terms{current.number(),     link->chain(),         candidate->target,
                        candidate->initiator, candidate->high_epoch, candidate->transcript};
      const auto [known, first] = terms_.try_emplace(name_of(next.secret().reveal()), terms);
      check(Invariant::agreement, known->second == terms,
            name_of_machine(machine) + " has derived one key by another transcript");
    }
  }
}

/// Whoever commits an epoch has agreed on the same as whoever did before.
void Watch::agree_on_terms(std::size_t machine, const protocol::SessionCommitted& committed) {
  const auto terms = terms_.find(machines_[machine].standing[committed.asr_id].key);
  if (terms == terms_.end()) return;
  const EpochName name{committed.asr_id, committed.generation, committed.epoch};
  check(Invariant::agreement,
        terms->second.generation == committed.generation && terms->second.chain == committed.chain,
        name_of_machine(machine) + " committed on another chain than it agreed on");
  machines_[machine].agreed[name] = terms->second;
  const auto [known, first] = agreed_.try_emplace(name, terms->second);
  check(Invariant::agreement,
        known->second == terms->second || two_majorities(committed.asr_id, committed.generation),
        name_of_machine(machine) + " agreed on another transcript for " +
            in_words(committed.generation, committed.epoch));
}

/// Sender and receiver of a frame that was accepted have agreed on the same.
void Watch::check_terms(const Packet& packet, const protocol::FrameHeader& header) {
  if (packet.origin != Origin::machine || header.chain != protocol::Chain::normal) return;
  const EpochName name{header.asr_id, header.generation, header.epoch};
  const auto& here = machines_[packet.to].agreed;
  const auto& there = machines_[packet.from].agreed;
  const auto mine = here.find(name);
  const auto theirs = there.find(name);
  if (mine == here.end() || theirs == there.end()) return;
  ++figures_.agreed;
  check(Invariant::agreement, mine->second == theirs->second,
        name_of_machine(packet.to) + " accepts a frame of " + name_of_machine(packet.from) +
            " with another transcript for " + in_words(header.generation, header.epoch));
}

// ---------------------------------------------------------------------------------------------------------------
// Commits.

/// The failsafe chain is used once, and gives both others a new start.
void Watch::check_spent(std::size_t machine, const protocol::SessionCommitted& committed) {
  if (committed.chain != protocol::Chain::failsafe) return;
  const auto record = fleet_.machine(machine).disk.find(committed.asr_id);
  const auto restored = protocol::decode_record(record->second, fleet_.now());
  if (!check(Invariant::durable, restored.has_value(), "a record that cannot be read")) return;
  const protocol::Generation& current = *restored->state.current;
  check(Invariant::erasure, current.chain(protocol::Chain::failsafe).link().is_spent(),
        name_of_machine(machine) + " keeps a failsafe chain that was used");
  check(Invariant::agreement, current.chain(protocol::Chain::fallback).link().epoch() == committed.epoch,
        name_of_machine(machine) + " has not re-rooted its fallback chain");
}

/// Attempts that re-root begin at a distance from the last re-root, by the machine's own clock and in one run
/// of its daemon. One that was under way then goes on, with what follows it.
void Watch::check_distance(std::size_t machine, const protocol::SessionCommitted& committed) {
  if (committed.chain == protocol::Chain::normal) return;
  Standing& standing = machines_[machine].standing[committed.asr_id];
  const Instant now = fleet_.machine(machine).clock.local(fleet_.now());
  const Duration distance = std::chrono::seconds(policy_.resync_min_interval_s);
  const std::optional<Instant> last = std::exchange(standing.rerooted, now);
  const auto view = fleet_.machine(machine).engine->view(committed.asr_id);
  const bool under_way = view && view->chain != protocol::Chain::normal;
  const bool went_on = std::exchange(standing.reroot_under_way, under_way);
  const Instant began = now - committed.took;
  const bool followed = committed.took == Duration{};  // a candidate that it had left
  check(Invariant::limits, !last || followed || went_on || began <= *last || began - *last >= distance,
        name_of_machine(machine) + " re-roots too soon after the last time");
}

void Watch::check_commit(std::size_t machine, const protocol::SessionCommitted& committed) {
  ++figures_.commits;
  if (committed.chain == protocol::Chain::fallback) ++figures_.fallbacks;
  if (committed.chain == protocol::Chain::failsafe) ++figures_.failsafes;
  Standing& standing = machines_[machine].standing[committed.asr_id];
  standing.generation = committed.generation;
  standing.epoch_before = standing.epoch;
  standing.epoch = committed.epoch;
  standing.epoch_since = fleet_.now();
  check(Invariant::limits, committed.epoch - standing.epoch_before <= protocol::limits::kTargetSkip + 1,
        name_of_machine(machine) + " has skipped too many epochs");
  check_spent(machine, committed);
  check_distance(machine, committed);
  agree_on_terms(machine, committed);
  const EpochName name{committed.asr_id, committed.generation,
                       chain_and_epoch(protocol::Chain::normal, committed.epoch)};
  const auto [known, first] = checks_.try_emplace(name, committed.check);
  check(Invariant::agreement,
        known->second == committed.check || two_majorities(committed.asr_id, committed.generation),
        name_of_machine(machine) + " committed another key for " +
            in_words(committed.generation, committed.epoch));
  if (!first || committed.epoch == 1) return;
  check_follow(machine, committed);
}

/// Whether a candidate leads to this normal key.
bool Watch::leads_to(const protocol::Generation& generation, const protocol::Candidate& candidate,
                     const protocol::SessionCommitted& committed) {
  const protocol::Reroot* start = candidate.reroot_of(protocol::Chain::normal);
  const protocol::Session& next = start != nullptr ? *start->session : *candidate.session;
  if (next.epoch() != committed.epoch) return false;
  const auto check =
      protocol::key_check_value(generation.context, protocol::Chain::normal, next.epoch(), next.secret());
  return check && *check == committed.check;
}

/// The candidate as a machine has it on its disk; null where it has none. `there` is set when it needs none.
protocol::CandidatePtr Watch::stored_candidate(std::size_t machine,
                                               const protocol::SessionCommitted& committed,
                                               bool& there) const {
  there = true;
  const auto& disk = fleet_.machine(machine).disk;
  const auto record = disk.find(committed.asr_id);
  if (record == disk.end() || fleet_.machine(machine).hostile || fleet_.machine(machine).doubled)
    return nullptr;
  const auto restored = protocol::decode_record(record->second, fleet_.now());
  there = false;
  if (!restored) return nullptr;
  const protocol::Generation& current = *restored->state.current;
  there = current.number() != committed.generation || current.normal().link().epoch() >= committed.epoch;
  for (const protocol::ChainLink* link : current.ladder.links()) {
    for (const protocol::CandidatePtr& candidate : link->stored()) {
      if (leads_to(current, *candidate, committed)) return candidate;
    }
  }
  return nullptr;
}

/// Each of P is there already or holds the candidate. Without a candidate on any disk P is not known: then
/// all of the roster must be there where all have to take part.
void Watch::check_follow(std::size_t machine, const protocol::SessionCommitted& committed) {
  if (two_majorities(committed.asr_id, committed.generation)) return;
  std::vector<std::size_t> behind;
  protocol::CandidatePtr known;
  for (std::size_t other = 0; other < fleet_.size(); ++other) {
    if (other == machine) continue;
    bool there = false;
    const auto candidate = stored_candidate(other, committed, there);
    if (candidate) known = candidate;
    if (!there && !candidate) behind.push_back(other);
  }
  ++figures_.checks;
  for (const std::size_t other : behind) {
    if (majority_ && !known) continue;
    const auto index =
        fleet_.machine(other).engine ? fleet_.machine(other).engine->view(committed.asr_id) : std::nullopt;
    if (known && index && !known->participants.test(index->own_index)) continue;
    if (majority_ && !index) continue;
    violate(Invariant::follow, name_of_machine(machine) + " committed " +
                                   in_words(committed.generation, committed.epoch) + ", " +
                                   name_of_machine(other) + " cannot follow");
  }
}

}  // namespace akm::sim
