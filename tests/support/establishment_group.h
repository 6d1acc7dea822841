#pragma once
// Establishments of one group, connected by hand: each payload is delivered when the test says so.
#include <deque>
#include <memory>
#include <vector>

#include "tests/support/asr_fixture.h"

namespace akm::testing {

class EstablishmentGroup {
 public:
  struct Message {
    std::uint16_t from;
    std::uint16_t to;
    protocol::Chain chain;
    std::uint32_t epoch;
    protocol::KeyCheckValue key;  // of the session it was sealed under
    protocol::SessionPayload payload;
  };

  explicit EstablishmentGroup(const protocol::Asr& asr) {
    for (const protocol::Member& member : asr.description.roster) {
      members.push_back(*protocol::Generation::install(asr, member.index));
    }
  }

  std::vector<protocol::Generation> members;  // by index
  std::deque<Message> wire;
  Instant now{1'000'000'000};
  SeededRandom random{1};
  std::vector<protocol::Orders> log;  // of all steps

  protocol::Establishment& at(std::size_t i) { return members[i].normal(); }
  protocol::Surroundings around(std::size_t i) { return members[i].around(now, random); }

  /// Puts what a step sends on the wire.
  protocol::Orders send(std::size_t from, protocol::Orders orders) {
    for (const auto& outgoing : orders.frames) {
      for (const std::uint16_t to : outgoing.to) {
        wire.push_back({static_cast<std::uint16_t>(from), to, outgoing.under->chain(),
                        outgoing.under->epoch(), key_of(*outgoing.under), outgoing.payload});
      }
    }
    return orders;
  }
  protocol::Orders start(std::size_t i) { return send(i, members[i].ladder.start(around(i))); }
  protocol::Orders tick(std::size_t i) { return send(i, members[i].ladder.tick(around(i))); }

  /// The next message, to a receiver that has its key; the orders of that step, none when it has not.
  protocol::Orders deliver(const Message& message) {
    protocol::Ladder& receiver = members[message.to].ladder;
    for (const auto& session : receiver.sessions(message.chain, message.epoch)) {
      if (key_of(*session) != message.key) continue;
      members[message.to].peers->find(message.from)->last_heard = now;
      return send(message.to, receiver.hear(around(message.to), {message.from, 1, session, message.payload}));
    }
    return {};
  }
  protocol::Orders deliver_next() {
    const Message message = wire.front();
    wire.pop_front();
    return deliver(message);
  }
  /// Until nothing is on the wire. False when that does not end.
  bool settle(std::size_t at_most = 20'000) {
    while (!wire.empty()) {
      if (at_most-- == 0) return false;
      log.push_back(deliver_next());
    }
    return true;
  }
  /// Everything due until `span` has passed, with delivery.
  bool run(Duration span) {
    const Instant end = now + span;
    for (std::size_t steps = 0; steps < 10'000; ++steps) {
      if (!settle()) return false;
      std::optional<Instant> next;
      std::size_t who = 0;
      for (std::size_t i = 0; i < members.size(); ++i) {
        const auto due = members[i].ladder.next_deadline();
        if (due && (!next || *due < *next)) next = due, who = i;
      }
      if (!next || *next > end) {
        now = end;
        return true;
      }
      now = std::max(now, *next);
      log.push_back(tick(who));
    }
    return false;
  }
  [[nodiscard]] bool all_at(std::uint32_t epoch) const {
    for (const auto& member : members) {
      if (member.normal().link().epoch() != epoch || member.normal().phase() != protocol::Phase::se)
        return false;
      if (member.check() != members[0].check()) return false;
    }
    return true;
  }

 private:
  static protocol::KeyCheckValue key_of(const protocol::Session& session) {
    return *protocol::key_check_value(session.context(), session.chain(), session.epoch(), session.secret());
  }
};

}  // namespace akm::testing
