#pragma once
// A few engines whose network, disks, clock and faults are in the hands of whoever calls. Nothing happens by
// itself: a frame arrives when it is delivered, time passes when it is told to. It watches what must hold
// whatever happens.
#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "daemon/protocol/data_payload.h"
#include "daemon/protocol/engine.h"
#include "daemon/protocol/frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/seeded_random.h"

namespace akm::fuzz {

class EngineWorld {
 public:
  struct Datagram {
    std::size_t from = 0;
    std::size_t to = 0;
    std::vector<std::uint8_t> bytes;
    std::uint64_t id = 0;  // of the frame as it was sent; copies share it
  };

  explicit EngineWorld(std::size_t members) : nodes_(members) {
    for (std::size_t i = 0; i < members; ++i) start(i);
  }

  std::deque<Datagram> wire;
  std::deque<Datagram> recorded;  // the last that were sent, for whoever replays them
  bool store_fails = false;       // the next one
  bool randomness_fails = false;  // in the next step
  int crash_after = -1;           // effects of the next step
  bool exhausted = false;         // somebody needs the NMM's next generation

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] Instant now() const { return now_; }
  static Endpoint endpoint(std::size_t i) {
    return *parse_endpoint("10.0.0." + std::to_string(i + 1) + ":7400");
  }
  [[nodiscard]] std::optional<protocol::AsrView> view(std::size_t i, protocol::AsrId id) const {
    return nodes_[i].engine->view(id);
  }

  /// One event and its effects, as service::Shell carries them out.
  void give(std::size_t i, protocol::Event event) {
    Node& node = nodes_[i];
    test::FailingRandom failing;
    RandomSource& random =
        std::exchange(randomness_fails, false) ? static_cast<RandomSource&>(failing) : random_;
    auto effects = node.engine->step(std::move(event), now_, random);
    require(effects.size() <= kEffectsAtMost, "the effects of a step are bounded");
    int left = std::exchange(crash_after, -1);
    for (auto& effect : effects) {
      if (left-- == 0) return crash(i);
      if (auto* persist = std::get_if<protocol::PersistAsr>(&effect)) {
        if (std::exchange(store_fails, false)) return give(i, protocol::StoreFailed{persist->asr_id});
        effects_seen_ = true;
        node.disk[persist->asr_id] = std::move(persist->record);
      } else {
        carry_out(i, effect);
      }
    }
    answer(i);
  }

  /// The datagram reaches `to`, which need not be who it was sent to.
  void deliver(Datagram datagram, std::size_t to) {
    Node& node = nodes_[to];
    const Sent* sent = datagram.id < sent_.size() ? &sent_[datagram.id] : nullptr;
    const bool intact = sent != nullptr && sent->bytes == datagram.bytes;
    const std::optional<protocol::AsrView> before =
        sent ? node.engine->view(sent->header.asr_id) : std::nullopt;
    const auto counted = node.engine->counters();
    effects_seen_ = false;
    const std::uint32_t incarnation = node.incarnation;
    give(to, protocol::FrameReceived{datagram.bytes, endpoint(datagram.from)});
    if (node.incarnation != incarnation) return;  // it crashed in this step
    const auto& counters = node.engine->counters();
    const bool accepted = counters.frames_accepted != counted.frames_accepted;
    require(counters.frames_received == counted.frames_received + 1, "each frame is counted");
    require(accepted || !effects_seen_, "a frame that is refused has no effect");
    if (!accepted) return;
    require(intact, "only what a member sent is accepted");
    require(accepted_.emplace(to, node.incarnation, node.forgotten, datagram.id).second,
            "a frame is accepted once");
    agree(*sent, before);
  }

  void pass_time(Duration span) { now_ = now_ + span; }
  [[nodiscard]] std::optional<Instant> next_deadline() const {
    std::optional<Instant> at;
    for (const Node& node : nodes_) {
      const auto due = node.engine->next_deadline();
      if (due && (!at || *due < *at)) at = due;
    }
    return at;
  }
  /// The earliest deadline, when there is one: time goes there, and its engine is told.
  void reach_deadline() {
    for (std::size_t i = 0; i < size(); ++i) {
      const auto due = nodes_[i].engine->next_deadline();
      if (!due || due != next_deadline()) continue;
      now_ = std::max(now_, *due);
      return give(i, protocol::DeadlineReached{});
    }
  }
  /// kill -9 and a new start.
  void crash(std::size_t i) { start(i); }

 private:
  static constexpr std::size_t kEffectsAtMost = 256;
  static constexpr std::size_t kWireAtMost = 64;

  struct Node {
    std::optional<protocol::Engine> engine;
    std::uint32_t incarnation = 0;
    std::map<protocol::AsrId, SecretBuffer> disk;
    std::size_t forgotten =
        0;  // relationships: what was erased may be given again, with windows that know nothing
    std::vector<protocol::RequestReceived> asked;
  };
  struct Sent {
    protocol::FrameHeader header;
    std::vector<std::uint8_t> bytes;
    protocol::AsrView sender;  // when it was sent
  };

  void start(std::size_t i) {
    Node& node = nodes_[i];
    ++node.incarnation;
    node.asked.clear();
    node.engine.emplace(protocol::Engine::Options{node.incarnation, 77 * node.incarnation + 1});
    for (const auto& [id, record] : node.disk) {
      auto effects = node.engine->step(protocol::RestoreAsr{record.clone()}, now_, random_);
      require(node.engine->view(id).has_value(), "a record that was stored is restored");
      for (auto& effect : effects) carry_out(i, effect);
    }
  }

  void carry_out(std::size_t i, protocol::Effect& effect) {
    effects_seen_ |= !std::holds_alternative<protocol::ContradictionSeen>(effect);
    if (const auto* send = std::get_if<protocol::SendFrame>(&effect))
      return transmit(i, send->to, send->bytes);
    if (const auto* send = std::get_if<protocol::SendDatagram>(&effect))
      return transmit(i, send->to, send->bytes);
    if (const auto* data = std::get_if<protocol::DataReceived>(&effect)) {
      require(!data->payload.empty() && data->payload.front() == data->from, "data comes from who is named");
    } else if (const auto* forget = std::get_if<protocol::ForgetAsr>(&effect)) {
      nodes_[i].disk.erase(forget->asr_id);
      ++nodes_[i].forgotten;
    } else if (const auto* committed = std::get_if<protocol::SessionCommitted>(&effect)) {
      const std::tuple name(committed->asr_id, committed->generation, committed->epoch);
      const auto [known, first] = checks_.emplace(name, committed->check);
      require(known->second == committed->check, "an epoch of a generation has one key");
    } else if (std::holds_alternative<protocol::ChainsExhausted>(effect)) {
      exhausted = true;
    } else if (auto* request = std::get_if<protocol::RequestReceived>(&effect)) {
      nodes_[i].asked.push_back(std::move(*request));
    }
  }

  void transmit(std::size_t i, const Endpoint& receiver, std::span<const std::uint8_t> bytes) {
    const auto header = protocol::parse_header(bytes);
    require(header.has_value(), "what is sent is a frame");
    require(header->epoch != 0, "nothing is sent under epoch 0");
    const std::tuple number(header->asr_id, header->generation, header->chain, header->epoch, header->index,
                            header->incarnation, header->salt, header->sequence);
    // Data for all is one frame, sent to each.
    const bool copied = header->type == protocol::FrameType::data && !sent_.empty() &&
                        std::ranges::equal(sent_.back().bytes, bytes);
    if (!copied) {
      require(numbers_.insert(number).second, "no (key, nonce) is used twice");
      const auto own = nodes_[i].engine->view(header->asr_id);
      sent_.push_back({*header, copy(bytes), own ? *own : protocol::AsrView{}});
    }
    for (std::size_t to = 0; to < size(); ++to) {
      if (endpoint(to) != receiver) continue;
      wire.push_back({i, to, copy(bytes), sent_.size() - 1});
      recorded.push_back(wire.back());
    }
    while (wire.size() > kWireAtMost) wire.pop_front();
    while (recorded.size() > kWireAtMost) recorded.pop_front();
  }

  /// Who accepts a frame under a committed epoch holds the key that its sender held under that name.
  static void agree(const Sent& sent, const std::optional<protocol::AsrView>& receiver) {
    require(receiver.has_value(), "who accepts holds the relationship");
    const protocol::FrameHeader& header = sent.header;
    const auto stands_there = [&](const protocol::AsrView& view) {
      return view.description.generation == header.generation && view.epoch == header.epoch;
    };
    if (header.chain != protocol::Chain::normal || !stands_there(sent.sender) || !stands_there(*receiver))
      return;
    require(sent.sender.check == receiver->check,
            "members that accept each other agree on generation, epoch and key");
  }

  /// The role's part: what changes state is carried out once, for all starts of the daemon.
  void answer(std::size_t i) {
    for (auto& request : std::exchange(nodes_[i].asked, {})) {
      const auto body = request.body.reveal();
      if (request.method != protocol::Method::heartbeat && request.method != protocol::Method::attest) {
        require(executed_.emplace(i, copy(body)).second, "a request is executed once");
      }
      if (!request.expects_response) continue;
      give(i, protocol::SendResponse{
                  request.asr_id, request.request_id, request.method, protocol::ControlStatus::ok, {0xa0}});
    }
  }

  test::SeededRandom random_;
  Instant now_{1'000'000'000};
  std::vector<Node> nodes_;
  std::deque<Sent> sent_;  // of which references stay valid while it grows
  bool effects_seen_ = false;
  std::set<std::tuple<protocol::AsrId, std::uint32_t, protocol::Chain, std::uint32_t, std::uint16_t,
                      std::uint32_t, std::uint32_t, std::uint64_t>>
      numbers_;
  std::set<std::tuple<std::size_t, std::uint32_t, std::size_t, std::uint64_t>> accepted_;
  std::map<std::tuple<protocol::AsrId, std::uint32_t, std::uint32_t>, protocol::KeyCheckValue> checks_;
  std::set<std::pair<std::size_t, std::vector<std::uint8_t>>> executed_;
};

}  // namespace akm::fuzz
