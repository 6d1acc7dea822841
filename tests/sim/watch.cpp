#include "tests/sim/watch.h"

#include <algorithm>
#include <cstring>

#include "daemon/protocol/asr_record.h"
#include "daemon/protocol/control_link.h"
#include "daemon/protocol/frame.h"
#include "tests/sim/watch_words.h"

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
    "agreement",  "eviction", "nonce",   "erasure", "follow", "limits", "authentic", "once",
    "accusation", "durable",  "keyring", "honesty", "copies", "data",   "liveness"};

Duration grace_time() {
  return std::chrono::milliseconds(policy_of({}).grace_ms) + kGraceSlack;
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
  fallbacks += more.fallbacks;
  failsafes += more.failsafes;
  agreed += more.agreed;
  datagrams += more.datagrams;
  copies += more.copies;
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

bool Watch::is_in(std::uint32_t generation, std::size_t machine) const {
  const Roster* members = roster(generation);
  return members == nullptr || members->members.contains(fleet_.original_of(machine));
}

const Watch::Roster* Watch::roster(std::uint32_t generation) const {
  const auto found = rosters_.find(generation);
  return found == rosters_.end() || found->second.members.empty() ? nullptr : &found->second;
}

void Watch::started(std::size_t machine) {
  Watched& watched = machines_[machine];
  watched.standing.clear();
  watched.accepted.clear();
  watched.speakers.clear();
  watched.waiting.clear();
  watched.unrested = false;
  for (const auto& [id, record] : fleet_.machine(machine).disk) watched.unread.insert(id);  // of a copy
}

// ---------------------------------------------------------------------------------------------------------------
// Frames.

void Watch::check_frame(std::size_t machine, std::span<const std::uint8_t> bytes) {
  ++figures_.frames;
  const auto header = protocol::parse_header(bytes);
  if (!check(Invariant::limits, header.has_value() && bytes.size() <= protocol::limits::kFrameBytes,
             name_of_machine(machine) + " sent what is no frame")) {
    return;
  }
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
  if (header->type == protocol::FrameType::session) {
    protocol::Chain& highest = highest_chain_[header->asr_id];
    highest = std::max(highest, header->chain);
  }
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

/// One frame, whether it goes to one or to all.
void Watch::check_datagram(std::size_t machine, const protocol::SendDatagram& send) {
  std::uint64_t tag = 0;
  std::memcpy(&tag, send.bytes.data() + send.bytes.size() - sizeof tag, sizeof tag);
  if (!datagram_) check_frame(machine, send.bytes);
  check(Invariant::nonce, datagram_.value_or(tag) == tag,
        name_of_machine(machine) + " sealed one datagram twice");
  datagram_ = tag;
}

void Watch::asked(std::size_t machine, protocol::AsrId id) {
  check(Invariant::limits, ++machines_[machine].waiting[id] <= protocol::limits::kPendingRequestsPerPeer,
        name_of_machine(machine) + " has too many requests under way");
}

void Watch::arriving(const Packet& packet) {
  acts_ = 0;
  const auto header = protocol::parse_header(packet.bytes);
  arriving_incarnation_ = header ? header->incarnation : 0;
  const auto standing = machines_[packet.to].standing.find(header ? header->asr_id : 0);
  const Fleet::Machine& machine = fleet_.machine(packet.to);
  const auto deadline = machine.engine->next_deadline();
  overdue_ = deadline && *deadline <= machine.clock.local(fleet_.now());
  arriving_epoch_ = standing == machines_[packet.to].standing.end() ? UINT32_MAX : standing->second.epoch;
}

void Watch::delivered(const Packet& packet, const Delivery& delivery) {
  if (delivery.accepted) return check_accepted(packet, delivery);
  check(Invariant::authentic, acts_ == 0, name_of_machine(packet.to) + " acted on a frame that it refused");
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
  check_speaker(packet, *header);
  check_terms(packet, *header);
  check_standing(packet, *header);
}

/// One start of a member is heard, and no older one.
void Watch::check_speaker(const Packet& packet, const protocol::FrameHeader& header) {
  const std::string who = name_of_machine(packet.to);
  if (packet.origin == Origin::machine) {
    check(Invariant::authentic, packet.from != packet.to, who + " accepted its own frame");
  }
  const auto [known, first] = machines_[packet.to].speakers.try_emplace(
      {header.asr_id, header.generation, header.index}, Speaker{header.incarnation, header.salt});
  Speaker& speaker = known->second;
  check(Invariant::authentic, header.incarnation >= speaker.incarnation,
        who + " accepted a frame of an older incarnation");
  check(Invariant::copies, header.incarnation != speaker.incarnation || header.salt == speaker.salt,
        who + " listens to two copies of member " + std::to_string(header.index));
  speaker = {header.incarnation, header.salt};
}

/// The receiver may still have held this key.
void Watch::check_standing(const Packet& packet, const protocol::FrameHeader& header) {
  const std::string who = name_of_machine(packet.to);
  if (header.asr_id == kGroup) {
    check(
        Invariant::eviction, is_in(header.generation, packet.to),
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
  if (!std::holds_alternative<protocol::ContradictionSeen>(effect)) ++acts_;
  if (const auto* send = std::get_if<protocol::SendFrame>(&effect)) {
    check_frame(machine, send->bytes);
  } else if (const auto* datagram = std::get_if<protocol::SendDatagram>(&effect)) {
    check_datagram(machine, *datagram);
  } else if (const auto* persist = std::get_if<protocol::PersistAsr>(&effect)) {
    if (done) watched.unread.insert(persist->asr_id);
    if (done) note_terms(machine, persist->asr_id);
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
    standing = {switched->generation,
                0,
                0,
                fleet_.now(),
                fleet_.now(),
                members != nullptr && members->at_once,
                standing.key,
                std::nullopt};
  } else if (const auto* committed = std::get_if<protocol::SessionCommitted>(&effect)) {
    check_commit(machine, *committed);
  } else {
    check_reports(machine, effect);
  }
  if (std::holds_alternative<protocol::PersistAsr>(effect) ||
      std::holds_alternative<protocol::ForgetAsr>(effect)) {
    watched.unrested = true;
    watched.rests_at = fleet_.now() + grace_time() + kGraceSlack;
  }
}

void Watch::check_reports(std::size_t machine, const protocol::Effect& effect) {
  Watched& watched = machines_[machine];
  if (const auto* seen = std::get_if<protocol::ContradictionSeen>(&effect)) {
    check_contradiction(machine, *seen);
  } else if (const auto* request = std::get_if<protocol::RequestReceived>(&effect)) {
    check_request(machine, *request);
  } else if (const auto* response = std::get_if<protocol::ResponseReceived>(&effect)) {
    --watched.waiting[response->asr_id];
  } else if (const auto* timeout = std::get_if<protocol::RequestTimedOut>(&effect)) {
    --watched.waiting[timeout->asr_id];
  } else if (std::holds_alternative<protocol::DataReceived>(effect)) {
    ++figures_.datagrams;
  } else if (const auto* failed = std::get_if<protocol::AttemptFailed>(&effect)) {
    ++watched.failed[failed->asr_id];
  } else if (const auto* refused = std::get_if<protocol::EventRefused>(&effect)) {
    check(Invariant::durable, refused->event != "RestoreAsr",
          name_of_machine(machine) + " cannot restore a record: " + refused->error.message());
  }
}

void Watch::check_contradiction(std::size_t machine, const protocol::ContradictionSeen& seen) {
  if (seen.what != protocol::Contradiction::cloned_identity) return;
  ++figures_.copies;
  check(Invariant::accusation, seen.node_id != 0 && fleet_.machine(machine_of_node(seen.node_id)).doubled,
        name_of_machine(machine) + " calls member " + std::to_string(seen.member) + " a clone");
}

void Watch::check_key(std::size_t machine, const protocol::InstallKey& key) {
  const SecretName name = name_of(key.session_secret.reveal());
  if (key.asr_id == kGroup) {
    secrets_[key.generation].insert(name);
    check(Invariant::eviction, is_in(key.generation, machine),
          name_of_machine(machine) + " holds a key of a generation that it is not in");
  }
  if (key.slot != protocol::KeySlot::current) return;
  // After a start: what the record brought back.
  machines_[machine].standing.try_emplace(key.asr_id, Standing{key.generation, key.epoch, 0, fleet_.now(),
                                                               fleet_.now(), false, name, std::nullopt});
  machines_[machine].standing[key.asr_id].key = name;
  const auto [known, first] =
      epochs_.try_emplace({key.asr_id, key.generation, chain_and_epoch(key.chain, key.epoch)}, name);
  check(
      Invariant::agreement, known->second == name || two_majorities(key.asr_id, key.generation),
      "two keys for " + in_words(key.generation, key.epoch) + ", the second at " + name_of_machine(machine));
}

void Watch::check_request(std::size_t machine, const protocol::RequestReceived& request) {
  check(Invariant::limits, request.body.size() <= protocol::limits::kRequestBodyBytes, "a request too large");
  if (!protocol::changes_state(request.method)) return;
  check(Invariant::once,
        executed_.insert({machine, request.asr_id, arriving_incarnation_, request.request_id}).second,
        name_of_machine(machine) + " executed a request twice");
}

}  // namespace akm::sim
