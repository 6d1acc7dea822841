#pragma once
// A Root, NMMs and nodes in one process: real engines, shells, roles and database, simulated time and wire.
// Machines can be down, come back with their disk, and stand in each other's place.
#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/nmm/incarnation_base.h"
#include "daemon/root/root.h"
#include "daemon/store/sqlite_session.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/nmm/nmm_net.h"

namespace akm::root::test {

using nmm::test::FakeNode;
using nmm::test::MemoryStore;
using nmm::test::SeededRandom;

class RootNet;

/// One machine with an NMM's daemon.
class NmmMachine {
 public:
  NmmMachine(RootNet& the_net, std::size_t number);
  /// The daemon ends and starts again, with the same disk.
  void restart();
  [[nodiscard]] nmm::StatusSnapshot status() const { return nmm->status(); }
  [[nodiscard]] std::vector<std::uint8_t> hardware_value() { return nmm->hardware_identity()->value; }
  Status join(const protocol::BundleContent& content) {
    const Status taken = nmm->root_link().take(content);
    nmm->settle();
    return taken;
  }
  [[nodiscard]] std::string state_of(const std::string& node) const {
    const auto all = nmm->nodes();
    const auto at = std::ranges::find(all, node, &nmm::NodeSnapshot::name);
    return at == all.end() ? "" : at->state;
  }
  [[nodiscard]] std::uint32_t serial_of(const std::string& node) const {
    const auto all = nmm->nodes();
    const auto at = std::ranges::find(all, node, &nmm::NodeSnapshot::name);
    return at == all.end() ? 0 : at->serial;
  }

  RootNet& net;
  Endpoint endpoint;
  bool down = false;
  bool start_anew = false;
  std::size_t number = 0;
  std::uint32_t starts = 0;
  MemoryStore store;
  SeededRandom random;
  node::Hardware hardware;
  std::unique_ptr<service::EventLog> events;
  std::unique_ptr<service::Shell> shell;
  std::unique_ptr<nmm::Nmm> nmm;
};

class RootNet final : public nmm::test::Wire {
 public:
  RootNet(std::size_t machines, std::size_t node_count) {
    nmm::test::quiet();
    SecretBytes<32> key;
    auto session = store::open_sqlite(folder_.file("root.db"));
    auto opened = store::ConfigDatabase::open(std::move(*session), key, random_);
    database = std::move(*opened);
    start_root();
    root->create_root_secret([](const Status&) {});
    for (std::size_t i = 0; i < machines; ++i) nmms.push_back(std::make_unique<NmmMachine>(*this, i));
    for (std::size_t i = 0; i < node_count; ++i) nodes.push_back(std::make_unique<FakeNode>(*this, i));
  }

  void restart_root() {
    root.reset();
    shell.reset();
    completions_.clear();  // they end with the process
    start_root();
  }
  /// The bundle that the Root makes for the machine; `nmm_id` of one that stands alone.
  Result<protocol::BundleContent> prepare(NmmMachine& machine, std::uint64_t nmm_id = 0) {
    ControlPort::Prepare what;
    what.nmm_name = "north";
    what.hardware_value = machine.hardware_value();
    what.nmm_id = nmm_id;
    std::optional<Result<protocol::BundleContent>> out;
    root->issuer().prepare(what, "test",
                           [&](Result<protocol::BundleContent> content) { out = std::move(content); });
    run(std::chrono::milliseconds(1));
    return out ? std::move(*out) : fail(Errc::timed_out);
  }
  Result<protocol::BundleContent> replace(std::uint64_t nmm_id, NmmMachine& machine) {
    std::optional<Result<protocol::BundleContent>> out;
    root->issuer().replace(nmm_id, machine.hardware_value(), "test",
                           [&](Result<protocol::BundleContent> content) { out = std::move(content); });
    run(std::chrono::milliseconds(1));
    return out ? std::move(*out) : fail(Errc::timed_out);
  }
  /// All nodes are prepared by this NMM, provisioned and active.
  void activate_all(NmmMachine& machine) {
    for (auto& node : nodes) {
      nmm::ControlPort::Prepare what;
      what.node_name = node->name;
      what.node_endpoints = {format_endpoint(node->endpoint)};
      what.hardware_value.assign(node->hardware.begin(), node->hardware.end());
      const auto content = machine.nmm->provisioner().prepare(what);
      machine.nmm->settle();
      node->provision(*content);
      node->activate();
    }
    run(std::chrono::seconds(1));
  }
  protocol::AsrId create(NmmMachine& machine, std::size_t members) {
    std::vector<protocol::NodeId> ids;
    for (std::size_t i = 0; i < members; ++i) ids.push_back(nodes[i]->node_id);
    protocol::AsrId asr_id = 0;
    machine.nmm->create_asr(
        "asr-" + std::to_string(++labels_), ids, {},
        [&asr_id](const Result<std::uint64_t>& result) { asr_id = result ? *result : 0; });
    run(std::chrono::seconds(2));
    return asr_id;
  }
  /// Every node says its heartbeat.
  void heartbeats() {
    for (auto& node : nodes) {
      if (!node->down) node->heartbeat();
    }
  }
  [[nodiscard]] const EventRecord* event(std::string_view name) const {
    const auto& history = events->history();
    const auto at = std::find_if(history.rbegin(), history.rend(),
                                 [name](const EventRecord& e) { return e.name == name; });
    return at == history.rend() ? nullptr : &*at;
  }

  void send(const Endpoint& from, const Endpoint& to, std::span<const std::uint8_t> bytes) override {
    wire_.push_back({now + std::chrono::milliseconds(1), from, to, {bytes.begin(), bytes.end()}});
  }
  void run(Duration span) {
    const Instant end = now + span;
    for (auto at = next(); at && *at <= end; at = next()) {
      now = std::max(now, *at);
      advance();
    }
    now = end;
  }

  std::unique_ptr<store::ConfigDatabase> database;
  bool database_down = false;
  std::size_t database_jobs = 0;
  MemoryStore store;
  std::unique_ptr<service::EventLog> events;
  std::unique_ptr<service::Shell> shell;
  std::unique_ptr<Root> root;
  std::vector<std::unique_ptr<NmmMachine>> nmms;
  std::vector<std::unique_ptr<FakeNode>> nodes;
  bool root_down = false;
  protocol::Policy policy;  // what the Root says to NMMs
  /// What its records say of an NMM's nodes.
  std::function<protocol::ConfigureRequest(protocol::NodeId)> configuration_of;
  io::Loop* loop = nullptr;  // of the next start of the Root: it provisions directly

 private:
  struct Datagram {
    Instant at;
    Endpoint from;
    Endpoint to;
    std::vector<std::uint8_t> bytes;
  };

  void start_root() {
    events = std::make_unique<service::EventLog>(512);
    ++starts_;
    service::Shell::Parts parts{store, nullptr, random_,
                                [this](const Endpoint& to, auto frame) { send(endpoint_, to, frame); },
                                [this] { return now; }};
    shell = std::make_unique<service::Shell>(std::move(parts), protocol::Engine::Options{starts_, starts_},
                                             [this](service::Report& report) {
                                               if (root) root->report(report);
                                             });
    (void)shell->restore();
    RootSettings settings;
    settings.endpoints = {format_endpoint(endpoint_)};
    root = std::make_unique<Root>(Root::Parts{store,
                                              random_,
                                              *shell,
                                              *events,
                                              [](keyring::TpmWorker::Job job) -> Status {
                                                job()();
                                                return {};
                                              },
                                              [this](DatabaseJob job) {
                                                ++database_jobs;
                                                auto completion = database_down
                                                                      ? job(fail(Errc::unreachable, "test"))
                                                                      : job(database.get());
                                                if (completion) completions_.push_back(std::move(completion));
                                              },
                                              [this](protocol::NodeId) { return policy; },
                                              nullptr,
                                              {},
                                              configuration_of},
                                  settings, RootIdentity{});
    (void)root->start(nmm::RunningClock::BootId{7}, loop);
  }
  std::optional<Instant> next() const {
    if (!completions_.empty()) return now;
    std::optional<Instant> at;
    const auto consider = [&at](const std::optional<Instant>& when) {
      if (when && (!at || *when < *at)) at = when;
    };
    if (!wire_.empty()) consider(wire_.front().at);
    if (!root_down) {
      consider(shell->next_deadline());
      consider(root->next_deadline());
    }
    for (const auto& machine : nmms) {
      if (machine->down) continue;
      if (machine->start_anew) return now;
      consider(machine->shell->next_deadline());
      consider(machine->nmm->next_deadline());
    }
    for (const auto& node : nodes) {
      if (!node->down) consider(node->shell->next_deadline());
    }
    return at;
  }
  void advance() {
    if (!completions_.empty()) {
      auto completion = std::move(completions_.front());
      completions_.pop_front();
      return completion();
    }
    for (const auto& machine : nmms) {
      if (!machine->down && std::exchange(machine->start_anew, false)) return machine->restart();
    }
    if (!wire_.empty() && wire_.front().at <= now) {
      Datagram datagram = std::move(wire_.front());
      wire_.pop_front();
      return deliver(datagram);
    }
    const auto due = [this](const std::optional<Instant>& at) { return at && *at <= now; };
    if (!root_down && due(shell->next_deadline())) return shell->deadline_reached();
    if (!root_down && due(root->next_deadline())) return root->deadline_reached();
    for (const auto& machine : nmms) {
      if (machine->down) continue;
      if (due(machine->shell->next_deadline())) return machine->shell->deadline_reached();
      if (due(machine->nmm->next_deadline())) return machine->nmm->deadline_reached();
    }
    for (const auto& node : nodes) {
      if (!node->down && due(node->shell->next_deadline())) return node->shell->deadline_reached();
    }
  }
  void deliver(Datagram& datagram) {
    if (datagram.from == endpoint_ && root_down) return;
    if (datagram.to == endpoint_ && !root_down) return shell->receive(datagram.bytes, datagram.from);
    for (const auto& machine : nmms) {
      if (machine->endpoint == datagram.from && machine->down) return;
      if (machine->endpoint == datagram.to && !machine->down)
        return machine->shell->receive(datagram.bytes, datagram.from);
    }
    for (const auto& node : nodes) {
      if (node->endpoint == datagram.to && !node->down)
        return node->shell->receive(datagram.bytes, datagram.from);
    }
  }

  akm::test::TemporaryFolder folder_;
  SeededRandom random_{1};
  std::uint32_t starts_ = 0;
  std::size_t labels_ = 0;
  Endpoint endpoint_ = *parse_endpoint("10.0.9.9:7402");
  std::deque<Datagram> wire_;
  std::deque<std::move_only_function<void()>> completions_;
};

inline NmmMachine::NmmMachine(RootNet& the_net, std::size_t the_number)
    : net(the_net),
      endpoint(*parse_endpoint("10.0.0." + std::to_string(the_number + 1) + ":7400")),
      number(the_number),
      random(500 + the_number),
      hardware([the_number]() -> Result<keyring::HardwareSources> {
        return keyring::HardwareSources{{"dmi-board-serial", "board-" + std::to_string(the_number)}};
      }) {
  restart();
}

inline void NmmMachine::restart() {
  nmm.reset();
  shell.reset();
  events = std::make_unique<service::EventLog>(512);
  const std::uint32_t incarnation = ++starts + *nmm::incarnation_base(store);
  service::Shell::Parts parts{store, nullptr, random,
                              [this](const Endpoint& to, auto frame) { net.send(endpoint, to, frame); },
                              [this] { return net.now; }};
  shell = std::make_unique<service::Shell>(std::move(parts), protocol::Engine::Options{incarnation, starts},
                                           [this](service::Report& report) {
                                             if (nmm) nmm->report(report);
                                           });
  (void)shell->restore();
  nmm::NmmSettings settings;
  settings.name = "north";
  settings.endpoints = {format_endpoint(endpoint)};
  nmm::NmmIdentity identity;
  identity.incarnation = incarnation;
  identity.counted = starts;
  nmm = std::make_unique<nmm::Nmm>(nmm::Core::Parts{store, random, *shell, *events,
                                                    [](keyring::TpmWorker::Job job) -> Status {
                                                      job()();
                                                      return {};
                                                    }},
                                   settings, identity,
                                   nmm::NmmMachine{&hardware, [this] { start_anew = true; }});
  (void)nmm->start(nmm::RunningClock::BootId{7}, nullptr);
}

}  // namespace akm::root::test
