#pragma once
// Several engines in one process on a network that loses, doubles, delays, reorders and damages datagrams, on
// disks that fail, with daemons that crash between any two effects. All from one seed. It watches what must
// always hold.
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "daemon/protocol/asr_record.h"
#include "daemon/protocol/engine.h"
#include "daemon/protocol/frame.h"

namespace akm::testing {

/// splitmix64: the same numbers everywhere.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(next() % bound); }
  bool chance(double p) { return static_cast<double>(next() >> 11) * 0x1p-53 < p; }
  Status fill(std::span<std::uint8_t> out) override {
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(next());
    return {};
  }

 private:
  std::uint64_t state_;
};

/// Probabilities per datagram, store and effect.
struct Faults {
  double loss = 0;
  double duplicate = 0;
  double damage = 0;
  double store_fails = 0;
  double crash = 0;
  std::uint32_t delay_min_us = 50;
  std::uint32_t delay_max_us = 500;
  std::set<std::size_t> cut_off{};  // these nodes neither hear nor are heard
};

/// The power goes at one write of one node: the record is on the disk, or it is not.
struct PowerCut {
  std::size_t node = 0;
  std::size_t write = 1;  // from 1
  bool kept = false;
  bool everywhere = false;  // the whole site
};

/// Is told what happens, in order: for tests that have disks of their own.
class Witness {
 public:
  virtual ~Witness() = default;
  virtual void starts(std::size_t node) = 0;
  /// Returns when it is durable.
  virtual void stores(std::size_t node, protocol::AsrId id, const SecretBuffer& record) = 0;
  virtual void forgets(std::size_t node, protocol::AsrId id) = 0;
  virtual void sends(std::size_t node, const protocol::FrameHeader& frame) = 0;
  virtual void commits(std::size_t node, const protocol::SessionCommitted& committed) = 0;
  /// A request that changes state.
  virtual void executes(std::size_t node, std::span<const std::uint8_t> body) = 0;
};

class EngineNet {
 public:
  struct Node {
    std::optional<protocol::Engine> engine;
    std::uint32_t incarnation = 0;
    std::map<protocol::AsrId, SecretBuffer> disk;
    std::size_t writes = 0;
    Endpoint endpoint;
    std::optional<Instant> starts_again;
    std::vector<protocol::Effect> reports;  // since they were last taken
    struct Data {
      std::uint16_t from;
      std::vector<std::uint8_t> bytes;
    };
    std::vector<Data> data;  // received, since the test emptied it
  };
  /// What an executed request does: the answer, nothing for none.
  struct Request {
    std::size_t node;
    protocol::RequestReceived request;
  };

  EngineNet(std::size_t nodes, std::uint64_t seed) : random_(seed), nodes_(nodes) {
    for (std::size_t i = 0; i < nodes; ++i) {
      nodes_[i].endpoint = *parse_endpoint("10.0.0." + std::to_string(i + 1) + ":7400");
      start(i);
    }
  }

  Faults faults;
  std::optional<PowerCut> power_cut;
  Witness* witness = nullptr;
  bool answer_requests = true;
  bool all_take_part = true;  // quorum all: whoever commits knows that everybody can follow
  std::vector<std::string> violations;
  std::size_t commits = 0;
  std::size_t stores = 0;
  std::size_t frames = 0;

  [[nodiscard]] Instant now() const { return now_; }
  SeededRandom& dice() { return random_; }
  Node& node(std::size_t i) { return nodes_[i]; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] std::optional<protocol::AsrView> view(std::size_t i, protocol::AsrId id) const {
    return nodes_[i].engine ? nodes_[i].engine->view(id) : std::nullopt;
  }
  [[nodiscard]] const protocol::Counters& counters(std::size_t i) const {
    return nodes_[i].engine->counters();
  }

  /// An operational ASR of the first `members` nodes, with roster indexes 0, 1, ...
  protocol::Asr make_asr(protocol::AsrId id, std::uint32_t generation, std::size_t members,
                         protocol::Kind kind = protocol::Kind::operational) {
    protocol::Asr asr;
    asr.description.id = id;
    asr.description.kind = kind;
    asr.description.label = "test";
    asr.description.generation = generation;
    for (std::size_t i = 0; i < members; ++i) {
      const bool nmm = kind == protocol::Kind::provisioning && i == 0;
      asr.description.roster.push_back({static_cast<std::uint16_t>(i),
                                        1000 + i,
                                        nmm ? protocol::Role::nmm : protocol::Role::node,
                                        "n" + std::to_string(i),
                                        {format_endpoint(nodes_[i].endpoint)}});
    }
    for (auto& chain : asr.chains) {
      (void)random_.fill(chain.pdv.reveal_mutable());
      (void)random_.fill(chain.seed.reveal_mutable());
    }
    return asr;
  }
  void install_everywhere(const protocol::Asr& asr, bool immediate = false) {
    for (const protocol::Member& member : asr.description.roster) {
      give(member.index, protocol::InstallAsr{asr.clone(), member.index, immediate, 0});
    }
  }

  /// One event, and all its effects. Dropped when the node is down.
  void give(std::size_t i, protocol::Event event) {
    Node& node = nodes_[i];
    if (!node.engine) return;
    auto effects = node.engine->step(std::move(event), now_, random_);
    for (auto& effect : effects) {
      if (random_.chance(faults.crash)) return crash(i);
      if (auto* persist = std::get_if<protocol::PersistAsr>(&effect)) {
        if (random_.chance(faults.store_fails)) {
          give(i, protocol::StoreFailed{persist->asr_id});
          return;
        }
        const bool cut = power_cut && power_cut->node == i && ++node.writes == power_cut->write;
        if (cut && !power_cut->kept) return lose_power(i);
        node.disk[persist->asr_id] = std::move(persist->record);
        ++stores;
        if (witness != nullptr) witness->stores(i, persist->asr_id, node.disk[persist->asr_id]);
        if (cut) return lose_power(i);
        continue;
      }
      if (!carry_out(i, effect)) continue;
      node.reports.push_back(std::move(effect));
      if (node.reports.size() > kReportsKept) node.reports.erase(node.reports.begin());
    }
    answer(i);
  }

  /// The daemon ends here, as by kill -9, and starts again after `away`.
  void crash(std::size_t i, Duration away = std::chrono::milliseconds(300)) {
    nodes_[i].engine.reset();
    nodes_[i].reports.clear();
    nodes_[i].starts_again = now_ + away;
  }

  void lose_power(std::size_t i) {
    for (std::size_t other = 0; other < nodes_.size(); ++other) {
      if (other == i || power_cut->everywhere) crash(other);
    }
  }

  /// Runs until simulated time has advanced by `span`.
  void run(Duration span) {
    const Instant end = now_ + span;
    while (const auto at = next()) {
      if (*at > end) break;
      now_ = std::max(now_, *at);
      advance();
      if (++steps_ > kStepsAtMost) return violate("steps without end");
    }
    now_ = end;
  }

  template <typename Report>
  std::vector<Report> take(std::size_t i) {
    std::vector<Report> taken;
    std::vector<protocol::Effect> rest;
    for (auto& effect : nodes_[i].reports) {
      if (auto* report = std::get_if<Report>(&effect)) {
        taken.push_back(std::move(*report));
      } else {
        rest.push_back(std::move(effect));
      }
    }
    nodes_[i].reports = std::move(rest);
    return taken;
  }

  /// Whether a member with this record holds the key of that commit, or what leads to it.
  [[nodiscard]] bool can_follow(const SecretBuffer& record,
                                const protocol::SessionCommitted& committed) const {
    const auto restored = protocol::decode_record(record, now_);
    if (!restored) return false;
    const protocol::Generation& current = *restored->state.current;
    if (current.number() != committed.generation || current.normal().link().epoch() >= committed.epoch)
      return true;
    for (const protocol::ChainLink* link : current.ladder.links()) {
      for (const auto& candidate : link->stored()) {
        const protocol::Reroot* start = candidate->reroot_of(protocol::Chain::normal);
        const protocol::Session& next = start != nullptr ? *start->session : *candidate->session;
        const auto check =
            protocol::key_check_value(current.context, protocol::Chain::normal, next.epoch(), next.secret());
        if (check && *check == committed.check) return true;
      }
    }
    return false;
  }
  /// Before this run a request was executed.
  void was_executed(std::size_t node, const std::vector<std::uint8_t>& body) {
    executed_.insert({node, body});
  }
  /// A datagram as it is, for negative tests.
  void inject(std::size_t to, std::vector<std::uint8_t> bytes, const Endpoint& from) {
    give(to, protocol::FrameReceived{bytes, from});
  }
  /// All frames ever sent, in order, for replay; off by default.
  bool record_frames = false;
  struct Recorded {
    std::size_t from;
    Endpoint to;
    std::vector<std::uint8_t> bytes;
  };
  std::vector<Recorded> recorded;

 private:
  struct Datagram {
    Instant at;
    std::uint64_t order;
    std::size_t from;
    std::size_t to;
    std::vector<std::uint8_t> bytes;
    bool operator>(const Datagram& other) const {
      return std::tie(at, order) > std::tie(other.at, other.order);
    }
  };

  void start(std::size_t i) {
    Node& node = nodes_[i];
    node.starts_again.reset();
    if (witness != nullptr) witness->starts(i);
    node.engine.emplace(
        protocol::Engine::Options{++node.incarnation, static_cast<std::uint32_t>(random_.next())});
    for (const auto& [id, record] : node.disk) {
      give(i, protocol::RestoreAsr{record.clone()});
      if (!node.engine) return;
      if (!node.engine->view(id)) violate("record of node " + std::to_string(i) + " was not restored");
    }
  }

  std::optional<Instant> next() const {
    std::optional<Instant> at;
    const auto consider = [&](const std::optional<Instant>& when) {
      if (when && (!at || *when < *at)) at = when;
    };
    if (!wire_.empty()) consider(wire_.top().at);
    for (const Node& node : nodes_) {
      if (node.engine) consider(node.engine->next_deadline());
      consider(node.starts_again);
    }
    return at;
  }

  void advance() {
    if (!wire_.empty() && wire_.top().at <= now_) {
      Datagram datagram = wire_.top();
      wire_.pop();
      give(datagram.to, protocol::FrameReceived{datagram.bytes, nodes_[datagram.from].endpoint});
      return;
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].starts_again && *nodes_[i].starts_again <= now_) return start(i);
      if (!nodes_[i].engine) continue;
      const auto due = nodes_[i].engine->next_deadline();
      if (due && *due <= now_) return give(i, protocol::DeadlineReached{});
    }
  }

  /// True when it is a report.
  bool carry_out(std::size_t i, protocol::Effect& effect) {
    if (auto* send = std::get_if<protocol::SendFrame>(&effect)) {
      watch_frame(i, *send);
      transmit(i, *send);
      return false;
    }
    if (const auto* datagram = std::get_if<protocol::SendDatagram>(&effect)) {
      transmit(i, {datagram->to, {datagram->bytes.begin(), datagram->bytes.end()}});
      return false;
    }
    if (const auto* data = std::get_if<protocol::DataReceived>(&effect)) {
      nodes_[i].data.push_back({data->from, {data->payload.begin(), data->payload.end()}});
      return false;
    }
    if (const auto* forget = std::get_if<protocol::ForgetAsr>(&effect)) {
      nodes_[i].disk.erase(forget->asr_id);
      if (witness != nullptr) witness->forgets(i, forget->asr_id);
      return false;
    }
    if (std::holds_alternative<protocol::InstallKey>(effect)) return false;
    if (std::holds_alternative<protocol::RevokeKey>(effect)) return false;
    if (const auto* committed = std::get_if<protocol::SessionCommitted>(&effect)) watch_commit(i, *committed);
    return true;
  }

  void transmit(std::size_t i, const protocol::SendFrame& send) {
    for (std::size_t to = 0; to < nodes_.size(); ++to) {
      if (nodes_[to].endpoint != send.to || faults.cut_off.contains(i) || faults.cut_off.contains(to))
        continue;
      const int copies = random_.chance(faults.loss) ? 0 : random_.chance(faults.duplicate) ? 2 : 1;
      for (int copy = 0; copy < copies; ++copy) {
        const std::uint32_t us =
            faults.delay_min_us + random_.below(faults.delay_max_us - faults.delay_min_us + 1);
        auto bytes = send.bytes;
        if (random_.chance(faults.damage)) {
          bytes[random_.below(static_cast<std::uint32_t>(bytes.size()))] ^=
              static_cast<std::uint8_t>(1 << random_.below(8));
        }
        wire_.push({now_ + std::chrono::microseconds(us), order_++, i, to, std::move(bytes)});
      }
    }
  }

  /// No sequence number twice under one sender key, nothing under epoch 0.
  void watch_frame(std::size_t i, const protocol::SendFrame& send) {
    ++frames;
    const auto header = protocol::parse_header(send.bytes);
    if (!header) return violate("node " + std::to_string(i) + " sent what is no frame");
    if (header->epoch == 0) violate("a frame under epoch 0");
    const auto number = std::tuple(header->asr_id, header->generation, header->chain, header->epoch,
                                   header->index, header->incarnation, header->salt, header->sequence);
    if (!numbers_.insert(number).second) violate("a sequence number was used twice");
    if (witness != nullptr) witness->sends(i, *header);
    if (record_frames) recorded.push_back({i, send.to, send.bytes});
  }

  /// One key for each epoch, and whoever has not committed it holds it on the disk.
  void watch_commit(std::size_t i, const protocol::SessionCommitted& committed) {
    ++commits;
    if (witness != nullptr) witness->commits(i, committed);
    const auto epoch = std::tuple(committed.asr_id, committed.generation, committed.epoch);
    const auto [known, first] = checks_.emplace(epoch, committed.check);
    if (known->second != committed.check) {
      violate("two keys for generation " + std::to_string(committed.generation) + " epoch " +
              std::to_string(committed.epoch));
    }
    if (!first || committed.epoch == 1 || !all_take_part) return;
    for (std::size_t other = 0; other < nodes_.size(); ++other) {
      const auto record = nodes_[other].disk.find(committed.asr_id);
      if (other == i || record == nodes_[other].disk.end()) continue;
      if (!can_follow(record->second, committed)) {
        violate("node " + std::to_string(i) + " committed epoch " + std::to_string(committed.epoch) +
                ", node " + std::to_string(other) + " cannot follow");
      }
    }
  }

  /// Plays the role: each request that is handed over acts once, for all starts of the daemon.
  void answer(std::size_t i) {
    if (!answer_requests || !nodes_[i].engine) return;
    for (const auto& request : take<protocol::RequestReceived>(i)) {
      const auto body = request.body.reveal();
      const bool counts = protocol::changes_state(request.method);
      if (counts && witness != nullptr) witness->executes(i, body);
      if (counts && !executed_.insert({i, std::vector<std::uint8_t>(body.begin(), body.end())}).second) {
        violate("a request was executed twice");
      }
      if (!request.expects_response) continue;
      give(i, protocol::SendResponse{
                  request.asr_id, request.request_id, request.method, protocol::ControlStatus::ok, {0xa0}});
      if (!nodes_[i].engine) return;
    }
  }

  void violate(std::string what) {
    if (violations.size() < 8) violations.push_back(std::move(what));
  }

  static constexpr std::size_t kReportsKept = 64;
  static constexpr std::size_t kStepsAtMost = 100'000;  // of a run; a usual one takes some thousands

  SeededRandom random_;
  std::size_t steps_ = 0;
  Instant now_{1'000'000'000};
  std::vector<Node> nodes_;
  std::priority_queue<Datagram, std::vector<Datagram>, std::greater<>> wire_;
  std::uint64_t order_ = 0;
  std::set<std::tuple<protocol::AsrId, std::uint32_t, protocol::Chain, std::uint32_t, std::uint16_t,
                      std::uint32_t, std::uint32_t, std::uint64_t>>
      numbers_;
  std::map<std::tuple<protocol::AsrId, std::uint32_t, std::uint32_t>, protocol::KeyCheckValue> checks_;
  std::set<std::pair<std::size_t, std::vector<std::uint8_t>>> executed_;
};

}  // namespace akm::testing
