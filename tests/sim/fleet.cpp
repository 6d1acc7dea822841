#include "tests/sim/fleet.h"

#include <algorithm>

#include "tests/sim/domain.h"

namespace akm::sim {
namespace {

using namespace std::chrono_literals;

// A packet that is late comes after others that were sent up to this much later.
constexpr std::uint64_t kLateUs = 1'500'000;
constexpr Duration kBackAfterCrash = 300ms;
// A fleet begins with some ten steps of each machine; after that a moment sees a few.
constexpr std::uint64_t kStepsAtOnce = 1000;

Owner owner_of(std::size_t machine) {
  return static_cast<Owner>(machine + 1);
}

/// The alternatives that change something outside; all others are reports.
bool is_report(const protocol::Effect& effect) {
  return !std::holds_alternative<protocol::SendFrame>(effect) &&
         !std::holds_alternative<protocol::SendDatagram>(effect) &&
         !std::holds_alternative<protocol::PersistAsr>(effect) &&
         !std::holds_alternative<protocol::ForgetAsr>(effect) &&
         !std::holds_alternative<protocol::InstallKey>(effect) &&
         !std::holds_alternative<protocol::RevokeKey>(effect);
}

}  // namespace

Fleet::Fleet(std::size_t machines, const Setting& setting, std::uint64_t seed, FaultPoints& faults)
    : setting_(setting), seed_(seed), faults_(faults), wire_(setting, seed) {
  machines_.reserve(machines);
  for (std::size_t i = 0; i < machines; ++i) {
    const std::uint64_t lot = number_of(seed, 5, i);
    const auto drift = static_cast<std::int32_t>(lot % (2 * setting.drift_ppm + 1)) -
                       static_cast<std::int32_t>(setting.drift_ppm);
    machines_.emplace_back(Dice(number_of(seed, 6, i)),
                           Clock(now_, Instant{static_cast<std::int64_t>(lot >> 20)}, drift));
  }
}

void Fleet::post(std::size_t i, protocol::Event event, After after) {
  Machine& machine = machines_[i];
  if (!machine.engine) return;
  machine.posted.push_back({std::move(event), std::move(after)});
  if (!machine.stepping && !frozen(i)) drain(i);
}

bool Fleet::frozen(std::size_t i) const {
  return machines_[i].frozen_until && now_ < *machines_[i].frozen_until;
}

void Fleet::drain(std::size_t i) {
  Machine& machine = machines_[i];
  machine.stepping = true;
  while (machine.engine && !machine.posted.empty()) {
    Machine::Posted next = std::move(machine.posted.front());
    machine.posted.pop_front();
    const auto done = step(i, std::move(next.event));
    if (done && next.after) next.after(*done);
  }
  machine.stepping = false;
  schedule(i);
}

std::optional<Status> Fleet::step(std::size_t i, protocol::Event event) {
  Machine& machine = machines_[i];
  ++steps_;
  protocol::EffectList effects;
  const auto* request = std::get_if<protocol::SendRequest>(&event);
  const std::optional<protocol::AsrId> asks =
      request != nullptr ? std::optional(request->asr_id) : std::nullopt;
  {
    const OwnerScope scope(owner_of(i));
    effects = machine.engine->step(std::move(event), machine.clock.local(now_), machine.dice);
  }
  const bool taken = asks && std::ranges::none_of(effects, [](const protocol::Effect& effect) {
                       return std::holds_alternative<protocol::EventRefused>(effect);
                     });
  if (taken) {
    for (Observer* observer : observers_) observer->asked(i, *asks);
  }
  auto done = carry_out(i, std::move(effects));
  if (done) {
    for (Observer* observer : observers_) observer->stepped(i);
  }
  return done;
}

std::optional<Status> Fleet::carry_out(std::size_t i, protocol::EffectList effects) {
  Machine& machine = machines_[i];
  Status refused;
  bool lost = false;
  for (protocol::Effect& effect : effects) {
    if (fails(i, FaultKind::crash, setting_.faults.crash)) {
      crash(i, false, kBackAfterCrash);
      return std::nullopt;
    }
    if (lost) {
      // The outcomes of our own requests are told all the same (shell.cpp).
      const bool outcome = std::holds_alternative<protocol::ResponseReceived>(effect) ||
                           std::holds_alternative<protocol::RequestTimedOut>(effect);
      if (!outcome) continue;
      for (Observer* observer : observers_) observer->effect(i, effect, true);
      if (on_report) on_report(i, effect);
      continue;
    }
    if (const auto* why = std::get_if<protocol::EventRefused>(&effect)) refused = std::unexpected(why->error);
    const bool done = carry_out_one(i, effect);
    for (Observer* observer : observers_) observer->effect(i, effect, done);
    if (const auto* persist = std::get_if<protocol::PersistAsr>(&effect); persist != nullptr && !done) {
      machine.posted.push_front({protocol::StoreFailed{persist->asr_id}, {}});
      lost = true;
    }
    if (is_report(effect) && on_report) on_report(i, effect);
    if (!machine.engine) return std::nullopt;
  }
  if (lost) return fail(Errc::storage_failed);
  return refused;
}

bool Fleet::carry_out_one(std::size_t i, protocol::Effect& effect) {
  Machine& machine = machines_[i];
  if (const auto* send = std::get_if<protocol::SendFrame>(&effect)) {
    transmit(i, send->to, send->bytes);
  } else if (const auto* datagram = std::get_if<protocol::SendDatagram>(&effect)) {
    transmit(i, datagram->to, datagram->bytes);
  } else if (const auto* persist = std::get_if<protocol::PersistAsr>(&effect)) {
    if (fails(i, FaultKind::store, setting_.faults.store)) return false;
    machine.disk[persist->asr_id] = persist->record.clone();
  } else if (const auto* forget = std::get_if<protocol::ForgetAsr>(&effect)) {
    machine.disk.erase(forget->asr_id);
  } else if (const auto* install = std::get_if<protocol::InstallKey>(&effect)) {
    return keep_key(i, install->asr_id, install->slot,
                    HeldKey{install->generation, install->chain, install->epoch,
                            name_of(install->session_secret.reveal()), install->session_secret.clone()});
  } else if (const auto* revoke = std::get_if<protocol::RevokeKey>(&effect)) {
    return keep_key(i, revoke->asr_id, revoke->slot, std::nullopt);
  }
  return true;
}

bool Fleet::keep_key(std::size_t i, protocol::AsrId id, protocol::KeySlot slot, std::optional<HeldKey> key) {
  KeyPlace& place = machines_[i].keyring[id][static_cast<std::size_t>(slot)];
  place.certain = !fails(i, FaultKind::key_store, setting_.faults.key_store);
  if (place.certain) place.key = std::move(key);
  return place.certain;
}

bool Fleet::fails(std::size_t i, FaultKind kind, std::uint32_t per_million) {
  return faults_.fires({kind, static_cast<std::uint16_t>(i), 0, machines_[i].effects++}, per_million);
}

/// What goes to a group reaches whoever has joined it, the sender too.
void Fleet::transmit(std::size_t from, const Endpoint& to, std::span<const std::uint8_t> bytes) {
  if (to.is_multicast()) {
    for (std::size_t i = 1; i < machines_.size(); ++i) {
      if (machines_[i].disk.contains(kGroup)) carry(from, i, bytes);
    }
    return;
  }
  const std::size_t machine = machine_at(to);
  if (machine >= machines_.size()) return;
  carry(from, machine, bytes);
  if (copied_ && copied_->from == machine) carry(from, copied_->to, bytes);
}

void Fleet::carry(std::size_t from, std::size_t to, std::span<const std::uint8_t> bytes) {
  const std::uint64_t nth = wire_.next_on(from, to);
  const auto point = [&](FaultKind kind) {
    return FaultPoint{kind, static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(to), nth};
  };
  const Faults& faults = setting_.faults;
  Packet packet{{bytes.begin(), bytes.end()},
                static_cast<std::uint32_t>(from),
                static_cast<std::uint32_t>(to),
                now_,
                Origin::machine,
                false};
  if (wire_.blocked(from, to) || faults_.fires(point(FaultKind::loss), faults.loss)) {
    for (Observer* observer : observers_) observer->lost(packet);
    return;
  }
  Duration delay = wire_.delay(from, to, nth);
  if (faults_.fires(point(FaultKind::duplicate), faults.duplicate)) {
    const std::uint64_t later = faults_.detail(point(FaultKind::duplicate)) % 100'000;
    inject(packet, delay + std::chrono::microseconds(later));
  }
  if (faults_.fires(point(FaultKind::damage), faults.damage)) {
    const std::uint64_t bit = faults_.detail(point(FaultKind::damage)) % (packet.bytes.size() * 8);
    packet.bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    packet.damaged = true;
  }
  if (faults_.fires(point(FaultKind::late), faults.late)) {
    delay += std::chrono::microseconds(faults_.detail(point(FaultKind::late)) % kLateUs);
  }
  inject(std::move(packet), delay);
}

void Fleet::inject(Packet packet, Duration delay) {
  std::size_t place = packets_.size();
  if (free_packets_.empty()) {
    packets_.push_back(std::move(packet));
  } else {
    place = free_packets_.back();
    free_packets_.pop_back();
    packets_[place] = std::move(packet);
  }
  push(now_ + delay, Kind::packet, place);
}

void Fleet::schedule(std::size_t i) {
  Machine& machine = machines_[i];
  if (!machine.engine) {
    machine.due.reset();
    return;
  }
  const auto deadline = machine.engine->next_deadline();
  std::optional<Instant> due;
  if (deadline) due = std::max(now_, machine.clock.when(*deadline));
  if (due && machine.frozen_until) due = std::max(*due, *machine.frozen_until);
  if (due == machine.due) return;
  machine.due = due;
  if (due) push(*due, Kind::deadline, i);
}

void Fleet::arrive(std::size_t place) {
  const std::size_t to = packets_[place].to;
  Machine& machine = machines_[to];
  if (machine.engine && frozen(to)) return push(*machine.frozen_until, Kind::packet, place);
  Packet packet = std::move(packets_[place]);
  free_packets_.push_back(place);
  if (!machine.engine) {
    for (Observer* observer : observers_) observer->lost(packet);
    return;
  }
  for (Observer* observer : observers_) observer->arriving(packet);
  const protocol::Counters before = machine.engine->counters();
  std::vector<std::uint8_t> bytes = packet.bytes;
  post(to, protocol::FrameReceived{bytes, endpoint_of(packet.from)});
  if (!machine.engine) return;
  const protocol::Counters& after = machine.engine->counters();
  Delivery delivery{after.frames_accepted != before.frames_accepted, std::nullopt};
  for (std::size_t why = 0; why < protocol::kRefusalCount; ++why) {
    if (after.refused[why] != before.refused[why]) delivery.refusal = static_cast<protocol::Refusal>(why);
  }
  for (Observer* observer : observers_) observer->delivered(packet, delivery);
}

void Fleet::run_one(const Due& due) {
  switch (due.kind) {
    case Kind::packet:
      return arrive(due.which);
    case Kind::deadline:
      if (machines_[due.which].due != due.at) return;  // moved since
      machines_[due.which].due.reset();
      // Before what has waited while the machine stood still: a loop looks at its clock first.
      machines_[due.which].posted.push_front({protocol::DeadlineReached{}, {}});
      return drain(due.which);
    case Kind::start:
      if (!machines_[due.which].engine) start(due.which);
      return;
    case Kind::call: {
      const auto call = std::move(calls_[due.which]);
      return call();
    }
  }
}

void Fleet::run_until(Instant end) {
  while (!queue_.empty() && queue_.top().at <= end && !stalled()) {
    const Due due = queue_.top();
    queue_.pop();
    if (due.at > now_) steps_before_now_ = steps_;
    now_ = std::max(now_, due.at);
    run_one(due);
  }
  now_ = std::max(now_, end);
}

bool Fleet::stalled() const {
  return steps_ - steps_before_now_ > kStepsAtOnce * machines_.size();
}

void Fleet::call_at(Instant at, std::function<void()> call) {
  calls_.push_back(std::move(call));
  push(at, Kind::call, calls_.size() - 1);
}

void Fleet::start(std::size_t i) {
  Machine& machine = machines_[i];
  machine.salt = static_cast<std::uint32_t>(machine.dice.next());
  machine.engine.emplace(protocol::Engine::Options{++machine.incarnation, machine.salt});
  machine.keyring.clear();  // as daemons do at their start
  for (Observer* observer : observers_) observer->started(i);
  std::vector<SecretBuffer> records;
  for (const auto& [id, record] : machine.disk) records.push_back(record.clone());
  for (SecretBuffer& record : records) post(i, protocol::RestoreAsr{std::move(record)});
  if (machine.engine && on_start) on_start(i);
}

void Fleet::crash(std::size_t i, bool power, Duration away) {
  Machine& machine = machines_[i];
  if (!machine.engine) return;
  machine.engine.reset();
  machine.posted.clear();
  machine.frozen_until.reset();
  machine.due.reset();
  if (power) {
    machine.keyring.clear();
    const std::uint64_t lot = number_of(seed_, 7, i, machine.incarnation);
    machine.clock = Clock(now_, Instant{static_cast<std::int64_t>(lot >> 24)}, 0);
  }
  for (Observer* observer : observers_) observer->ended(i);
  push(now_ + away, Kind::start, i);
}

void Fleet::copy(std::size_t original, std::size_t copy, Duration away) {
  crash(original, false, away);
  crash(copy, false, away);
  Machine& second = machines_[copy];
  second.disk.clear();
  for (const auto& [id, record] : machines_[original].disk) second.disk[id] = record.clone();
  second.incarnation = machines_[original].incarnation;
  second.doubled = machines_[original].doubled = true;
  copied_ = Copied{original, copy};
}

void Fleet::freeze(std::size_t i, Duration span) {
  if (!machines_[i].engine) return;
  machines_[i].frozen_until = now_ + span;
  schedule(i);
  call_at(now_ + span, [this, i] {
    if (!machines_[i].frozen_until || frozen(i)) return;
    machines_[i].frozen_until.reset();
    drain(i);
  });
}

void Fleet::jump(std::size_t i, Duration by) {
  machines_[i].clock.jump(now_, by);
  schedule(i);
}

void Fleet::revive() {
  for (std::size_t i = 0; i < machines_.size(); ++i) {
    machines_[i].frozen_until.reset();
    if (!machines_[i].engine) start(i);
    if (const auto due = machines_[i].engine->next_deadline();
        due && *due <= machines_[i].clock.local(now_)) {
      machines_[i].posted.push_front({protocol::DeadlineReached{}, {}});
    }
    drain(i);
  }
}

void Fleet::note(std::size_t i, const std::string& text) {
  for (Observer* observer : observers_) observer->note(i, text);
}

}  // namespace akm::sim
