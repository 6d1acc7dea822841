#pragma once
// A node and its NMM's engine in one process: real protocol, time that a test moves, disk and keyring in
// memory.
#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/log.h"
#include "daemon/node/node.h"
#include "daemon/protocol/provisioning.h"
#include "dbus/sealed_memfd.h"
#include "tests/support/fake_gate.h"
#include "tests/support/fake_probe_set.h"
#include "tests/support/memory_key_store.h"
#include "tests/support/memory_store.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temporary_folder.h"

namespace akm::test {

inline constexpr protocol::AsrId kProvisioningAsr = 0x5001;
inline constexpr protocol::AsrId kOperationalAsr = 0x6001;
inline constexpr protocol::NodeId kNodeId = 0xa001;
inline constexpr protocol::NodeId kNmmId = 0xb001;

inline service::Config default_config() {
  return service::Config(node::node_schema());
}

class NodeBench {
 public:
  explicit NodeBench(bool with_probes = true) : with_probes_(with_probes) {
    (void)log::open({.target = log::Options::Target::text, .file = folder.file("log")});
    settings = *node::node_settings(default_config());
    identity.asr_id = kProvisioningAsr;
    identity.nmm_id = kNmmId;
    identity.node_id = kNodeId;
    identity.nmm_name = "nmm";
    identity.node_name = "a";
    identity.nmm_endpoints = {"10.0.0.1:7401"};
    start_nmm();
    start();
  }

  // The node

  /// A start of the daemon: state on disk stays, all else is new.
  void start() {
    node.reset();
    keys.keys.clear();
    ++incarnation;
    frames_.clear();
    node::Node::Parts parts{.store = &store,
                            .failure = std::nullopt,
                            .engine = {.incarnation = incarnation, .salt = incarnation * 77},
                            .keys = &keys,
                            .random = random,
                            .send =
                                [this](const Endpoint& to, std::span<const std::uint8_t> frame) {
                                  frames_.push_back({to, false, {frame.begin(), frame.end()}});
                                  store.log.emplace_back("send");  // among what was written before and after
                                },
                            .join_group = [this](const Endpoint& group) -> Status {
                              groups.push_back(group);
                              return {};
                            },
                            .events = events,
                            .hardware = hardware,
                            .probes = nullptr,
                            .run_aside = [this](keyring::TpmWorker::Job job) -> Status {
                              if (fail_aside) return fail(Errc::busy, "test");
                              aside.push_back(std::move(job));
                              return {};
                            },
                            .now = [this] { return now; },
                            .facts = {}};
    parts.erase_storage = erase_storage;
    parts.run_hooks = [this](keyring::TpmWorker::Job job) -> Status {
      hooks.push_back(std::move(job));
      return {};
    };
    if (with_probes_) parts.probes = std::make_unique<FakeProbeSet>(probes);
    if (with_gate) parts.gate = std::make_unique<FakeGate>(gate);
    node = std::make_unique<node::Node>(settings, std::move(parts));
    node->set_observer({.status_changed = [this] { ++status_changes; }, .asr_changed = {}, .event = {}});
    node->start();
  }

  // The NMM

  void start_nmm() {
    (void)random.fill(root.reveal_mutable());
    nmm.emplace(protocol::Engine::Options{.incarnation = 1, .salt = 1});
    feed(protocol::InstallAsr{provisioning_asr(), protocol::kNmmIndex, true, 0});
  }
  [[nodiscard]] protocol::Chains chains() {
    return *protocol::derive_provisioning_chains(root, *hardware.value(), kNmmId, kNodeId, identity.serial);
  }
  [[nodiscard]] protocol::Asr provisioning_asr() {
    return *protocol::make_provisioning_asr(identity, chains());
  }
  [[nodiscard]] protocol::BundleContent bundle() {
    protocol::BundleContent out;
    out.identity = identity;
    out.use_id[0] = use_id;
    out.unbound = unbound;
    out.mask = *protocol::mask_chains(chains(), unbound ? protocol::kUnknownHardware : *hardware.value(),
                                      out.use_id);
    return out;
  }
  /// The NMM asks; the answer comes into `answers`.
  void ask(protocol::Method method, std::vector<std::uint8_t> body, SecretBuffer secret = {}) {
    protocol::SendRequest request;
    request.asr_id = kProvisioningAsr;
    request.method = method;
    request.body = std::move(body);
    request.secret_body = std::move(secret);
    request.cookie = next_cookie++;
    feed(std::move(request));
    settle();
  }
  void feed_nmm(protocol::Event event) { feed(std::move(event)); }
  [[nodiscard]] std::optional<protocol::ControlStatus> last_answer() const {
    if (answers.empty()) return std::nullopt;
    return answers.back().status;
  }

  // The network and time

  void settle() {
    for (int budget = 2000; budget > 0; --budget) {
      if (frames_.empty()) return;
      Frame frame = std::move(frames_.front());
      frames_.pop_front();
      if (drop_all) continue;
      if (frame.to_node) {
        if (node->shell() != nullptr) node->shell()->receive(frame.bytes, endpoint_of_nmm());
      } else {
        feed(protocol::FrameReceived{frame.bytes, endpoint_of_node()});
      }
    }
  }
  /// Moves time on, step by step from deadline to deadline.
  void pass(Duration time) {
    const Instant end = now + time;
    for (int budget = 5000; budget > 0; --budget) {
      settle();
      std::optional<Instant> next = nmm->next_deadline();
      const auto earlier = [&next](std::optional<Instant> other) {
        if (other && (!next || *other < *next)) next = other;
      };
      earlier(node->next_deadline());
      if (node->shell() != nullptr) earlier(node->shell()->next_deadline());
      if (!next || *next > end) break;
      now = std::max(now, *next);
      if (nmm->next_deadline() && *nmm->next_deadline() <= now) feed(protocol::DeadlineReached{});
      if (node->shell() != nullptr && node->shell()->next_deadline() &&
          *node->shell()->next_deadline() <= now) {
        node->shell()->deadline_reached();
      }
      node->deadline_reached();
    }
    now = end;
  }

  // Shortcuts

  Status provision() {
    Status out = fail(Errc::internal, "no answer");
    const auto bytes = protocol::encode_direct_bundle(bundle());
    node->provision_from_memfd(*dbus::make_sealed_memfd("bundle", bytes->reveal()),
                               [&out](const Status& status) { out = status; });
    return out;
  }
  void make_active() {
    (void)provision();
    pass(std::chrono::seconds(2));
  }
  protocol::InstallRequest operational(std::uint32_t generation = 1, bool immediate = true) {
    protocol::InstallRequest out;
    out.asr.description.id = kOperationalAsr;
    out.asr.description.label = "asr-1";
    out.asr.description.generation = generation;
    out.asr.description.roster = {{.index = 0,
                                   .node_id = kNodeId,
                                   .role = protocol::Role::node,
                                   .name = "a",
                                   .endpoints = {"10.0.0.2:7400"}},
                                  {.index = 1,
                                   .node_id = 0xa002,
                                   .role = protocol::Role::node,
                                   .name = "b",
                                   .endpoints = {"10.0.0.3:7400"}}};
    for (protocol::ChainState& chain : out.asr.chains) {
      (void)random.fill(chain.pdv.reveal_mutable());
      (void)random.fill(chain.seed.reveal_mutable());
    }
    out.index = 0;
    out.immediate = immediate;
    return out;
  }
  void install(const protocol::InstallRequest& request) {
    ask(protocol::Method::install, {}, std::move(*request.encode()));
  }
  /// The node is active and holds an operational relationship.
  void make_member() {
    make_active();
    install(operational());
  }
  [[nodiscard]] node::NodeState state() const { return node->status().state; }
  [[nodiscard]] const EventRecord* event(std::string_view name) const {
    const auto& all = events.history();
    const auto found =
        std::find_if(all.rbegin(), all.rend(), [&](const EventRecord& one) { return one.name == name; });
    return found == all.rend() ? nullptr : &*found;
  }
  [[nodiscard]] std::size_t count(protocol::Method method) const {
    return static_cast<std::size_t>(std::ranges::count(asked, method));
  }

  TemporaryFolder folder;
  Instant now{1'000'000'000'000};
  SeededRandom random;
  std::vector<Endpoint> groups;  // joined
  MemoryStore store;
  MemoryKeyStore keys;
  service::EventLog events{1000};
  node::NodeSettings settings;
  keyring::HardwareSources sources{{"dmi-product-uuid", "4c4c4544000010"}};
  node::Hardware hardware{[this]() -> Result<keyring::HardwareSources> {
    if (sources.empty()) return fail(Errc::no_hardware_source);
    return sources;
  }};
  FakeProbeSet::Script probes;
  bool with_gate = false;  // from the next start on
  FakeGate::Script gate;
  std::vector<keyring::TpmWorker::Job> aside;
  std::vector<keyring::TpmWorker::Job> hooks;
  bool fail_aside = false;
  std::function<service::Erased(bool mark)> erase_storage;  // null: the key is not this node's
  bool drop_all = false;
  std::uint32_t incarnation = 0;
  std::uint8_t use_id = 1;
  bool unbound = false;  // the bundle is for the all-zero hardware value
  std::size_t status_changes = 0;
  std::unique_ptr<node::Node> node;

  protocol::ProvisioningIdentity identity;
  protocol::ProvisioningRoot root;
  std::optional<protocol::Engine> nmm;
  std::vector<protocol::ResponseReceived> answers;
  std::vector<protocol::Method> asked;  // what the node asked the NMM
  std::vector<std::vector<std::uint8_t>> asked_bodies;
  protocol::ControlStatus answer_status = protocol::ControlStatus::ok;
  bool answer = true;
  std::uint64_t next_cookie = 1;

 private:
  struct Frame {
    Endpoint to;
    bool to_node = false;
    std::vector<std::uint8_t> bytes;
  };
  static Endpoint endpoint_of_nmm() { return *parse_endpoint("10.0.0.1:7401"); }
  static Endpoint endpoint_of_node() { return *parse_endpoint("10.0.0.2:7400"); }

  void feed(protocol::Event event) {
    for (protocol::Effect& effect : nmm->step(std::move(event), now, random)) {
      if (auto* frame = std::get_if<protocol::SendFrame>(&effect)) {
        frames_.push_back({frame->to, true, std::move(frame->bytes)});
      } else if (auto* request = std::get_if<protocol::RequestReceived>(&effect)) {
        requests_.push_back(std::move(*request));
      } else if (auto* response = std::get_if<protocol::ResponseReceived>(&effect)) {
        answers.push_back(std::move(*response));
      }
    }
    while (!requests_.empty()) {
      protocol::RequestReceived request = std::move(requests_.front());
      requests_.pop_front();
      asked.push_back(request.method);
      const auto body = request.body.reveal();
      asked_bodies.emplace_back(body.begin(), body.end());
      if (answer) respond(request);
    }
  }
  void respond(const protocol::RequestReceived& request) {
    protocol::SendResponse response;
    response.asr_id = request.asr_id;
    response.request_id = request.request_id;
    response.method = request.method;
    response.status = answer_status;
    response.body = protocol::empty_body();
    if (request.method == protocol::Method::activate) {
      protocol::ActivateResponse activated;
      activated.nmm = "nmm-1";
      response.body = activated.encode();
    }
    if (request.method == protocol::Method::breach_report) {
      protocol::BreachDecision decision;
      decision.decision = "evict";
      decision.asrs = {kOperationalAsr};
      response.body = decision.encode();
    }
    feed(std::move(response));
  }

  bool with_probes_;
  std::deque<Frame> frames_;
  std::deque<protocol::RequestReceived> requests_;
};

}  // namespace akm::test
