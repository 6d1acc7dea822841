#include "tests/sim/adversary.h"

#include "daemon/protocol/asr_record.h"
#include "daemon/protocol/data_payload.h"
#include "daemon/protocol/frame.h"
#include "tests/sim/traffic.h"

namespace akm::sim {
namespace {

using namespace std::chrono_literals;
using protocol::SessionEvent;

constexpr std::size_t kRecorded = 512;
constexpr std::size_t kOverheard = 400;  // frames that one who was put out is given to open
constexpr std::size_t kReplayedAtOnce = 6;
// Above what an honest sender has used, and near enough not to push its next frames out of the window.
constexpr std::uint64_t kNumbersAhead = 600;
constexpr std::uint32_t kLies = 5;
constexpr std::uint32_t kStillAtMost_ms = 6000;
constexpr std::size_t kTurnedOneIn = 8;

bool is_data(std::span<const std::uint8_t> frame) {
  const auto header = protocol::parse_header(frame);
  return header && header->type == protocol::FrameType::data;
}

}  // namespace

/// What it received before may open again: its windows are gone.
void Adversary::started(std::size_t machine) {
  std::size_t again = 0;
  for (auto frame = recorded_.rbegin(); frame != recorded_.rend() && again < kReplayedAtOnce; ++frame) {
    if (frame->to != machine || !is_data(frame->bytes)) continue;
    ++again;
    fleet_.inject({frame->bytes, frame->from, frame->to, fleet_.now(), Origin::replayed, false}, again * 7ms);
  }
}

void Adversary::effect(std::size_t machine, const protocol::Effect& effect, bool done) {
  if (const auto* send = std::get_if<protocol::SendFrame>(&effect))
    return record(machine, send->to, send->bytes);
  if (const auto* send = std::get_if<protocol::SendDatagram>(&effect))
    return record(machine, send->to, send->bytes);
  if (const auto* switched = std::get_if<protocol::GenerationSwitched>(&effect);
      switched != nullptr && switched->asr_id == kGroup) {
    // Who was left out has the key of what is being left.
    for (std::size_t outsider = 1; outsider < fleet_.size(); ++outsider) {
      if (!fleet_.machine(outsider).hostile || outsider == machine) continue;
      forge_data(outsider, {std::nullopt, machine, Origin::forged});
      forge_data(outsider, {1 + ++sealed_ % (fleet_.size() - 1), machine, Origin::forged});
    }
  }
  const auto* key = std::get_if<protocol::InstallKey>(&effect);
  if (key == nullptr || !done || key->slot != protocol::KeySlot::candidate || key->asr_id != kGroup) return;
  stand_still(machine);
  const auto liar = liars_.find(machine);
  if (liar == liars_.end()) return;
  const std::uint32_t how = liar->second;
  liars_.erase(liar);
  lie(machine, how);
}

void Adversary::record(std::size_t machine, const Endpoint& to, std::span<const std::uint8_t> bytes) {
  const std::size_t lot = number_of(seed_, 11, machine, ++seen_);
  const std::size_t receiver = to.is_multicast() ? 1 + lot % (fleet_.size() - 1) : machine_at(to);
  const Recorded frame{{bytes.begin(), bytes.end()},
                       static_cast<std::uint32_t>(machine),
                       static_cast<std::uint32_t>(receiver)};
  if (is_data(bytes) && lot % kTurnedOneIn == 0) turn(frame);
  for (std::size_t outsider = 1; outsider < fleet_.size() && overheard_ < kOverheard; ++outsider) {
    if (!fleet_.machine(outsider).hostile || outsider == machine) continue;
    ++overheard_;
    fleet_.inject({frame.bytes, frame.from, static_cast<std::uint32_t>(outsider), fleet_.now(),
                   Origin::replayed, false},
                  300us);
  }
  recorded_.push_back(frame);
  if (recorded_.size() > kRecorded) recorded_.pop_front();
}

void Adversary::stand_still(std::size_t machine) {
  const auto stall = stalls_.find(machine);
  const auto view = fleet_.machine(machine).engine->view(kGroup);
  if (stall == stalls_.end() || !view || view->chain == protocol::Chain::normal) return;
  const Duration span = std::chrono::milliseconds(300 + stall->second % kStillAtMost_ms);
  stalls_.erase(stall);
  fleet_.note(machine, "stands still, unheard");
  fleet_.wire().mute(machine);
  fleet_.freeze(machine, span);
  fleet_.call_at(fleet_.now() + span, [this, machine] { fleet_.wire().unmute(machine); });
}

void Adversary::turn(const Recorded& frame) {
  const std::uint64_t to = 1 + number_of(seed_, 12, seen_) % (fleet_.size() - 1);
  fleet_.inject(
      {frame.bytes, frame.from, static_cast<std::uint32_t>(to), fleet_.now(), Origin::replayed, false},
      std::chrono::microseconds(100 + seen_ % 2000));
}

void Adversary::replay(std::uint32_t which, std::uint32_t how) {
  for (std::size_t outsider = 1; outsider < fleet_.size(); ++outsider) {
    if (fleet_.machine(outsider).hostile) forge(outsider);
  }
  if (recorded_.empty()) return;
  const std::size_t count = 1 + which % kReplayedAtOnce;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t lot = number_of(seed_, 9, which, how, i);
    const Recorded& frame = recorded_[lot % recorded_.size()];
    const bool elsewhere = how % 4 == 0;
    const std::uint64_t to = elsewhere ? (lot >> 32) % fleet_.size() : frame.to;
    fleet_.inject(
        {frame.bytes, frame.from, static_cast<std::uint32_t>(to), fleet_.now(), Origin::replayed, false},
        std::chrono::microseconds(100 * (i + 1)));
  }
  fleet_.note(kManager, "somebody replays " + std::to_string(count) + " frames");
}

/// The committed key of the group that a machine holds, or held when it was put out.
const HeldKey* Adversary::held_key(std::size_t machine) const {
  const auto& keyring = fleet_.machine(machine).keyring;
  const auto places = keyring.find(kGroup);
  return places == keyring.end() || !places->second[0].key ? nullptr : &*places->second[0].key;
}

void Adversary::forge_data(std::size_t machine, const Guise& guise) {
  const HeldKey* const key = held_key(machine);
  if (key == nullptr) return;
  const auto content = forged_datagram(machine);
  std::array<std::uint8_t, protocol::kDataHeaderBytes + kDatagramBytes> plain{};
  protocol::encode_data_payload({protocol::kEveryone, content}, plain);
  seal_and_send(machine, *key, protocol::FrameType::data, plain, guise);
}

/// An SEI and a datagram under the key that it had when it was put out.
void Adversary::forge(std::size_t machine) {
  const HeldKey* const held = held_key(machine);
  if (held == nullptr) return;
  forge_data(machine, {std::nullopt, std::nullopt, Origin::forged});
  const HeldKey& key = *held;
  protocol::SessionPayload payload;
  payload.event = SessionEvent::sei;
  payload.target = key.epoch + 1 + static_cast<std::uint32_t>(sealed_ % 3);
  payload.initiator = 0;
  payload.high_epoch = key.epoch;
  payload.value.fill(0x5a);
  seal_session(machine, key, payload, Origin::forged);
}

/// SEC or SEF under a real candidate, with one field that is not the candidate's.
void Adversary::lie(std::size_t machine, std::uint32_t how) {
  const auto& disk = fleet_.machine(machine).disk;
  const auto record = disk.find(kGroup);
  if (record == disk.end()) return;
  const auto restored = protocol::decode_record(record->second, fleet_.now());
  if (!restored || restored->state.current->normal().link().stored().empty()) return;
  const protocol::Generation& generation = *restored->state.current;
  const protocol::CandidatePtr candidate = generation.normal().link().stored().back();
  protocol::SessionPayload payload;
  payload.event = (how / kLies) % 2 == 0 ? SessionEvent::sef : SessionEvent::sec;
  payload.initiator = candidate->initiator;
  payload.target = candidate->target;
  payload.high_epoch = candidate->high_epoch;
  payload.value = candidate->transcript;
  payload.bitmap = candidate->participants;
  switch (how % kLies) {
    case 0:
      payload.value[how % payload.value.size()] ^= 1;
      break;
    case 1:
      payload.initiator = static_cast<std::uint16_t>(payload.initiator + 1);
      break;
    case 2:
      ++payload.high_epoch;
      break;
    case 3:
      ++payload.target;
      break;
    default: {  // its sender has not reached the phase that it speaks of
      payload.bitmap = protocol::Bitmap::for_roster(*generation.description);
      for (const protocol::Member& member : generation.description->roster) {
        if (member.index != generation.own_index) payload.bitmap.set(member.index);
      }
    }
  }
  fleet_.note(machine, "lies");
  const HeldKey key{generation.number(), protocol::Chain::normal, candidate->target, 0,
                    candidate->session->secret().clone()};
  seal_session(machine, key, payload, Origin::lie);
}

void Adversary::seal_session(std::size_t machine, const HeldKey& key, const protocol::SessionPayload& payload,
                             Origin origin) {
  std::vector<std::uint8_t> plain(protocol::encoded_size(payload));
  if (!protocol::encode_session_payload(payload, plain)) return;
  seal_and_send(machine, key, protocol::FrameType::session, plain, {std::nullopt, std::nullopt, origin});
}

void Adversary::seal_and_send(std::size_t machine, const HeldKey& key, protocol::FrameType type,
                              std::span<const std::uint8_t> plain, const Guise& guise) {
  const auto record = fleet_.machine(machine).disk.find(kGroup);
  if (record == fleet_.machine(machine).disk.end()) return;
  const auto restored = protocol::decode_record(record->second, fleet_.now());
  if (!restored) return;
  const protocol::Generation& generation = *restored->state.current;
  const std::size_t as = guise.as.value_or(machine);
  const Fleet::Machine& speaker = fleet_.machine(as);
  const protocol::Member* const member =
      generation.description->member_by_node(node_id_of(fleet_.original_of(as)));
  if (member == nullptr) return;
  const auto traffic = protocol::sender_key(generation.context.suite, key.secret, member->index,
                                            speaker.incarnation, speaker.salt);
  if (!traffic) return;
  auto cipher = protocol::FrameCipher::create(generation.context.suite, *traffic);
  if (!cipher) return;
  for (const protocol::Member& other : generation.description->roster) {
    const std::size_t to = machine_of_node(other.node_id);
    if (to == machine || to == as || (guise.to && to != *guise.to)) continue;
    const protocol::FrameHeader header{.type = type,
                                       .chain = key.chain,
                                       .index = member->index,
                                       .incarnation = speaker.incarnation,
                                       .asr_id = kGroup,
                                       .generation = key.generation,
                                       .epoch = key.epoch,
                                       .sequence = kNumbersAhead + sealed_++,
                                       .salt = speaker.salt};
    auto frame = protocol::seal_frame(*cipher, header, plain);
    if (!frame) continue;
    fleet_.inject({std::move(*frame), static_cast<std::uint32_t>(machine), static_cast<std::uint32_t>(to),
                   fleet_.now(), guise.origin, false},
                  fleet_.wire().delay(machine, to, sealed_));
  }
}

}  // namespace akm::sim
