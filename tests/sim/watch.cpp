#include "tests/sim/watch.h"

#include <algorithm>
#include <cstring>

#include "daemon/protocol/asr_record.h"
#include "daemon/protocol/control_link.h"
#include "daemon/protocol/frame.h"

namespace akm::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kViolationsKept = 8;
// A key of the grace time is dropped with the first step after it; clocks differ by their drift.
constexpr Duration kGraceSlack = 20ms;
// Frames to each other machine in a span: an attempt has a handful, each repeated once in it; answers are
// bounded too. An install of many fragments to each is within it.
constexpr Duration kSendingSpan = 100ms;
constexpr std::uint64_t kFramesInSpan = 120;

constexpr std::array<std::string_view, kInvariants> kNames{
    "agreement", "eviction",   "nonce",   "erasure", "follow",  "limits",  "authentic",
    "once",      "accusation", "durable", "keyring", "honesty", "liveness"};

Duration grace_time() {
  return std::chrono::milliseconds(policy_of({}).grace_ms) + kGraceSlack;
}

std::uint64_t chain_and_epoch(protocol::Chain chain, std::uint32_t epoch) {
  return static_cast<std::uint64_t>(chain) << 32 | epoch;
}

std::string in_words(std::uint32_t generation, std::uint32_t epoch) {
  return "generation " + std::to_string(generation) + " epoch " + std::to_string(epoch);
}

}  // namespace

std::string_view invariant_name(Invariant invariant) {
  return kNames[static_cast<std::size_t>(invariant)];
}

Figures& Figures::operator+=(const Figures& more) {
  histories += more.histories;
  steps += more.steps;
  checks += more.checks;
  frames += more.frames;
  commits += more.commits;
  faults += more.faults;
  return *this;
}

void Watch::violate(Invariant invariant, const std::string& what) {
  if (violations_.size() < kViolationsKept) violations_.push_back({invariant, fleet_.now(), what});
}

bool Watch::check(Invariant invariant, bool holds, const std::string& what) {
  ++figures_.checks;
  if (!holds) violate(invariant, what);
  return holds;
}

void Watch::generation_made(std::uint32_t generation, std::set<std::size_t> members, bool at_once) {
  rosters_[generation] = {std::move(members), at_once};
}

const Watch::Roster* Watch::roster(std::uint32_t generation) const {
  const auto found = rosters_.find(generation);
  return found == rosters_.end() || found->second.members.empty() ? nullptr : &found->second;
}

void Watch::started(std::size_t machine) {
  Watched& watched = machines_[machine];
  watched.standing.clear();
  watched.accepted.clear();
  watched.incarnations.clear();
  watched.unrested = false;
}

// ---------------------------------------------------------------------------------------------------------------
// Frames.

void Watch::check_frame(std::size_t machine, const protocol::SendFrame& send) {
  ++figures_.frames;
  const auto header = protocol::parse_header(send.bytes);
  if (!check(Invariant::limits, header.has_value(), name_of_machine(machine) + " sent what is no frame"))
    return;
  if (header->epoch == 0) violate(Invariant::nonce, "a frame under epoch 0");
  const std::uint64_t key = number_of(header->asr_id, header->generation, header->chain, header->epoch,
                                      header->index, header->incarnation, header->salt);
  // One epoch's candidates count on one counter, so the numbers of a sender rise.
  const auto [last, first] = last_number_.try_emplace(key, header->sequence);
  if (!first && header->sequence <= last->second) {
    violate(Invariant::nonce, name_of_machine(machine) + " used number " + std::to_string(header->sequence) +
                                  " of " + in_words(header->generation, header->epoch) + " twice");
  }
  last->second = std::max(last->second, header->sequence);
  Watched& watched = machines_[machine];
  if (fleet_.now() - watched.sending_since > kSendingSpan) {
    watched.sending_since = fleet_.now();
    watched.sent = 0;
  }
  ++watched.sent;
  check(Invariant::limits, watched.sent <= kFramesInSpan * fleet_.size(),
        name_of_machine(machine) + " sends without end");
  figures_.checks += 2;
}

void Watch::arriving(const Packet& packet) {
  const auto header = protocol::parse_header(packet.bytes);
  arriving_incarnation_ = header ? header->incarnation : 0;
  const auto standing = machines_[packet.to].standing.find(header ? header->asr_id : 0);
  const Fleet::Machine& machine = fleet_.machine(packet.to);
  const auto deadline = machine.engine->next_deadline();
  overdue_ = deadline && *deadline <= machine.clock.local(fleet_.now());
  arriving_epoch_ = standing == machines_[packet.to].standing.end() ? UINT32_MAX : standing->second.epoch;
}

void Watch::delivered(const Packet& packet, const Delivery& delivery) {
  if (delivery.accepted) check_accepted(packet, delivery);
}

void Watch::check_accepted(const Packet& packet, const Delivery& delivery) {
  const auto header = protocol::parse_header(packet.bytes);
  const std::string who = name_of_machine(packet.to);
  if (!check(Invariant::authentic, header && !packet.damaged, who + " accepted a damaged frame")) return;
  std::uint64_t tag = 0;
  std::memcpy(&tag, packet.bytes.data() + packet.bytes.size() - sizeof tag, sizeof tag);
  check(Invariant::authentic, machines_[packet.to].accepted.insert(tag).second,
        who + " accepted a frame twice");
  if (packet.origin == Origin::lie && arriving_epoch_ < header->epoch) {
    check(Invariant::honesty, delivery.refusal.has_value(),
          who + " believed a frame that contradicts its candidate");
  }
  std::uint32_t& incarnation =
      machines_[packet.to].incarnations[{header->asr_id, header->generation, header->index}];
  check(Invariant::authentic, header->incarnation >= incarnation,
        who + " accepted a frame of an older incarnation");
  incarnation = std::max(incarnation, header->incarnation);
  check_standing(packet, *header);
}

/// The receiver may still have held this key.
void Watch::check_standing(const Packet& packet, const protocol::FrameHeader& header) {
  const std::string who = name_of_machine(packet.to);
  if (header.asr_id == kGroup) {
    const Roster* members = roster(header.generation);
    check(
        Invariant::eviction, members == nullptr || members->members.contains(packet.to),
        who + " opened a frame of generation " + std::to_string(header.generation) + " without being in it");
  }
  // Keys end with a deadline; a machine that stood still may see a packet before it has caught up.
  const auto found = machines_[packet.to].standing.find(header.asr_id);
  if (overdue_ || found == machines_[packet.to].standing.end()) return;
  const Standing& standing = found->second;
  if (header.generation < standing.generation) {
    const bool in_grace = fleet_.now() - standing.generation_since <= grace_time();
    check(
        Invariant::authentic, in_grace && !standing.replaced_at_once,
        who + " accepted a frame of generation " + std::to_string(header.generation) + " which it has left");
  } else if (header.generation == standing.generation && header.chain == protocol::Chain::normal &&
             header.epoch < standing.epoch) {
    const bool in_grace = fleet_.now() - standing.epoch_since <= grace_time();
    check(Invariant::authentic, in_grace && header.epoch == standing.epoch_before,
          who + " accepted a frame of epoch " + std::to_string(header.epoch) + " which it has left");
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Effects.

void Watch::effect(std::size_t machine, const protocol::Effect& effect, bool done) {
  Watched& watched = machines_[machine];
  if (const auto* send = std::get_if<protocol::SendFrame>(&effect)) {
    check_frame(machine, *send);
  } else if (const auto* persist = std::get_if<protocol::PersistAsr>(&effect)) {
    if (done) watched.unread.insert(persist->asr_id);
    check(Invariant::limits, persist->record.size() <= kSecretMaxBytes, "a record too large to be stored");
  } else if (const auto* forget = std::get_if<protocol::ForgetAsr>(&effect)) {
    watched.needed.erase(forget->asr_id);
    watched.standing.erase(forget->asr_id);
    watched.unread.erase(forget->asr_id);
  } else if (const auto* key = std::get_if<protocol::InstallKey>(&effect)) {
    check_key(machine, *key);
  } else if (const auto* switched = std::get_if<protocol::GenerationSwitched>(&effect)) {
    Standing& standing = watched.standing[switched->asr_id];
    const Roster* members = switched->asr_id == kGroup ? roster(switched->generation) : nullptr;
    standing = {
        switched->generation, 0, 0, fleet_.now(), fleet_.now(), members != nullptr && members->at_once};
  } else if (const auto* committed = std::get_if<protocol::SessionCommitted>(&effect)) {
    check_commit(machine, *committed);
  } else if (const auto* seen = std::get_if<protocol::ContradictionSeen>(&effect)) {
    check(Invariant::accusation, seen->what != protocol::Contradiction::cloned_identity,
          name_of_machine(machine) + " calls member " + std::to_string(seen->member) + " a clone");
  } else if (const auto* request = std::get_if<protocol::RequestReceived>(&effect)) {
    check_request(machine, *request);
  } else if (const auto* refused = std::get_if<protocol::EventRefused>(&effect)) {
    check(Invariant::durable, refused->event != "RestoreAsr",
          name_of_machine(machine) + " cannot restore a record: " + refused->error.message());
  }
  if (std::holds_alternative<protocol::PersistAsr>(effect) ||
      std::holds_alternative<protocol::ForgetAsr>(effect)) {
    watched.unrested = true;
    watched.rests_at = fleet_.now() + grace_time() + kGraceSlack;
  }
}

void Watch::check_key(std::size_t machine, const protocol::InstallKey& key) {
  const SecretName name = name_of(key.session_secret.reveal());
  if (key.asr_id == kGroup) {
    secrets_[key.generation].insert(name);
    const Roster* members = roster(key.generation);
    check(Invariant::eviction, members == nullptr || members->members.contains(machine),
          name_of_machine(machine) + " holds a key of a generation that it is not in");
  }
  if (key.slot != protocol::KeySlot::current) return;
  // After a start: what the record brought back.
  machines_[machine].standing.try_emplace(
      key.asr_id, Standing{key.generation, key.epoch, 0, fleet_.now(), fleet_.now(), false});
  const auto [known, first] =
      epochs_.try_emplace({key.asr_id, key.generation, chain_and_epoch(key.chain, key.epoch)}, name);
  check(
      Invariant::agreement, known->second == name,
      "two keys for " + in_words(key.generation, key.epoch) + ", the second at " + name_of_machine(machine));
}

void Watch::check_request(std::size_t machine, const protocol::RequestReceived& request) {
  if (!protocol::changes_state(request.method)) return;
  check(Invariant::once,
        executed_.insert({machine, request.asr_id, arriving_incarnation_, request.request_id}).second,
        name_of_machine(machine) + " executed a request twice");
}

// ---------------------------------------------------------------------------------------------------------------
// Commits.

void Watch::check_commit(std::size_t machine, const protocol::SessionCommitted& committed) {
  ++figures_.commits;
  Standing& standing = machines_[machine].standing[committed.asr_id];
  standing.generation = committed.generation;
  standing.epoch_before = standing.epoch;
  standing.epoch = committed.epoch;
  standing.epoch_since = fleet_.now();
  const EpochName name{committed.asr_id, committed.generation,
                       chain_and_epoch(protocol::Chain::normal, committed.epoch)};
  const auto [known, first] = checks_.try_emplace(name, committed.check);
  check(Invariant::agreement, known->second == committed.check,
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
  if (record == disk.end() || fleet_.machine(machine).hostile) return nullptr;
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
