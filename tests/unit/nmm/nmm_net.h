#pragma once
// An NMM and nodes in one process: real engines and shells, simulated time and wire, state in memory. The
// nodes do what section 6 asks of them and nothing more.
#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/nmm/nmm.h"
#include "daemon/protocol/attestation.h"
#include "daemon/protocol/control_body.h"
#include "tests/support/paper_tpm.h"
#include "tests/unit/nmm/memory_store.h"

namespace akm::nmm::test {

/// What a node stands in: simulated time and a wire.
class Wire {
 public:
  virtual ~Wire() = default;
  virtual void send(const Endpoint& from, const Endpoint& to, std::span<const std::uint8_t> bytes) = 0;
  Instant now{1'000'000'000};
};

/// What the daemon says of itself is not what is tested.
inline void quiet() {
  log::Options options;
  options.target = log::Options::Target::text;
  options.level = log::Level::emergency;
  (void)log::open(options);
}
inline Done into(std::optional<Status>& result) {
  return [&result](Status status) { result = std::move(status); };
}
inline std::size_t credentials_kept(const MemoryStore& store) {
  return static_cast<std::size_t>(std::ranges::count_if(
      store.records, [](const auto& record) { return record.first.starts_with("nmm-cred-"); }));
}

/// A node's side of section 6.
class FakeNode {
 public:
  FakeNode(Wire& net, std::size_t number);
  /// `bound` false: the bundle was made for unknown hardware.
  void provision(const protocol::BundleContent& content, bool bound = true);
  void send(protocol::Method method, std::vector<std::uint8_t> body);
  void activate();
  void heartbeat();
  void report_breach(std::string_view detection, std::uint8_t severity,
                     std::map<std::string, std::string> subject = {});
  [[nodiscard]] std::optional<protocol::AsrView> view(protocol::AsrId asr_id) const {
    return shell->engine().view(asr_id);
  }
  [[nodiscard]] std::uint32_t generation(protocol::AsrId asr_id) const {
    const auto seen = view(asr_id);
    return seen ? seen->description.generation : 0;
  }

  Wire& net;
  std::string name;
  Endpoint endpoint;
  protocol::HardwareValue hardware{};
  protocol::NodeId node_id = 0;
  protocol::AsrId provisioning = 0;
  bool down = false;      // gets and sends nothing
  bool refusing = false;  // answers installs with busy
  bool quarantined = false;
  bool erasing = false;  // it was told to
  std::size_t installs = 0;
  std::size_t policies = 0;
  bool attests = false;  // activates with a quote, and answers `attest`
  bool replays = false;  // with the quote of its activation
  akm::testing::PaperTpm tpm;
  std::optional<protocol::ResponseReceived> last_response;
  MemoryStore store;
  SeededRandom random;
  std::unique_ptr<service::Shell> shell;

 private:
  void report(service::Report& report);
  void request(protocol::RequestReceived& request);
  void respond(const protocol::RequestReceived& request, protocol::ControlStatus status);
};

class NmmNet : public Wire {
 public:
  /// `machine`: of the NMM; null: one that nothing watches.
  explicit NmmNet(std::size_t count, NmmSettings settings = {}, std::function<NmmMachine()> machine = {})
      : settings_(std::move(settings)), machine_(std::move(machine)) {
    settings_.endpoints = {"10.0.0.1:7400"};
    start_nmm();
    nmm->create_root_secret([](const Status&) {});
    for (std::size_t i = 0; i < count; ++i) nodes.push_back(std::make_unique<FakeNode>(*this, i));
  }

  /// The NMM's daemon ends and starts again, with the same disk.
  void restart_nmm() {
    nmm.reset();
    shell.reset();
    start_nmm();
  }
  /// Prepared, provisioned and active.
  void activate_all() {
    for (auto& node : nodes) {
      node->provision(*prepare(*node, true));
      node->activate();
    }
    run(std::chrono::seconds(1));
  }
  Result<protocol::BundleContent> prepare(FakeNode& node, bool bound) {
    ControlPort::Prepare what;
    what.node_name = node.name;
    what.node_endpoints = {format_endpoint(node.endpoint)};
    if (bound) what.hardware_value.assign(node.hardware.begin(), node.hardware.end());
    auto content = nmm->provisioner().prepare(what);
    nmm->settle();
    return content;
  }
  /// An ASR of the first `members` nodes; 0 when it failed.
  protocol::AsrId create(std::size_t members, const std::map<std::string, std::string>& policy = {}) {
    std::vector<protocol::NodeId> ids;
    for (std::size_t i = 0; i < members; ++i) ids.push_back(nodes[i]->node_id);
    protocol::AsrId asr_id = 0;
    nmm->create_asr("asr-" + std::to_string(++labels_), ids, policy,
                    [&asr_id](const Result<std::uint64_t>& result) { asr_id = result ? *result : 0; });
    run(std::chrono::seconds(2));
    return asr_id;
  }

  void send(const Endpoint& from, const Endpoint& to, std::span<const std::uint8_t> bytes) override {
    wire_.push_back({now + std::chrono::milliseconds(1), from, to, {bytes.begin(), bytes.end()}});
  }
  /// Runs until simulated time has advanced by `span`.
  void run(Duration span) {
    const Instant end = now + span;
    for (auto at = next(); at && *at <= end; at = next()) {
      now = std::max(now, *at);
      advance();
    }
    now = end;
  }
  [[nodiscard]] std::string state_of(const std::string& name) const {
    const auto all = nmm->nodes();
    const auto at = std::ranges::find(all, name, &NodeSnapshot::name);
    return at == all.end() ? "" : at->state;
  }
  /// Fields of the last event of that name; null when there was none.
  [[nodiscard]] const EventRecord* event(std::string_view name) const {
    const auto& history = events->history();
    const auto at = std::find_if(history.rbegin(), history.rend(),
                                 [name](const EventRecord& e) { return e.name == name; });
    return at == history.rend() ? nullptr : &*at;
  }
  /// All of `members` are on this generation of the ASR with one key.
  [[nodiscard]] bool agreed(protocol::AsrId asr_id, std::uint32_t generation,
                            const std::vector<std::size_t>& members) const {
    std::optional<protocol::KeyCheckValue> check;
    for (const std::size_t i : members) {
      const auto view = nodes[i]->view(asr_id);
      if (!view || view->description.generation != generation) return false;
      if (check && *check != view->check) return false;
      check = view->check;
    }
    return true;
  }

  MemoryStore store;
  std::unique_ptr<service::EventLog> events;
  std::unique_ptr<service::Shell> shell;
  std::unique_ptr<Nmm> nmm;
  std::vector<std::unique_ptr<FakeNode>> nodes;
  bool nmm_down = false;
  std::vector<keyring::TpmWorker::Job> aside;  // what the NMM has a thread do: run_aside() is that thread
  bool aside_full = false;
  service::AuditTrail* audit = nullptr;  // from the next start on

  /// Does the work, and brings the results back to the loop.
  void run_aside() {
    for (auto& job : std::exchange(aside, {})) job()();
  }

 private:
  struct Datagram {
    Instant at;
    Endpoint from;
    Endpoint to;
    std::vector<std::uint8_t> bytes;
  };

  void start_nmm() {
    events = std::make_unique<service::EventLog>(512);
    service::Shell::Parts parts{store, nullptr, random_,
                                [this](const Endpoint& to, auto frame) { send(endpoint_, to, frame); },
                                [this] { return now; }};
    shell = std::make_unique<service::Shell>(std::move(parts),
                                             protocol::Engine::Options{++incarnation_, incarnation_},
                                             [this](service::Report& report) {
                                               if (nmm) nmm->report(report);
                                             });
    (void)shell->restore();
    nmm = std::make_unique<Nmm>(Core::Parts{store, random_, *shell, *events,
                                            [this](keyring::TpmWorker::Job job) -> Status {
                                              if (aside_full) return fail(Errc::busy, "test");
                                              aside.push_back(std::move(job));
                                              return {};
                                            },
                                            audit},
                                settings_, NmmIdentity{}, machine_ ? machine_() : NmmMachine{});
    (void)nmm->start(RunningClock::BootId{7}, nullptr);
  }
  std::optional<Instant> next() const {
    std::optional<Instant> at;
    const auto consider = [&at](const std::optional<Instant>& when) {
      if (when && (!at || *when < *at)) at = when;
    };
    if (!wire_.empty()) consider(wire_.front().at);
    consider(shell->next_deadline());
    consider(nmm->next_deadline());
    for (const auto& node : nodes) {
      if (!node->down) consider(node->shell->next_deadline());
    }
    return at;
  }
  void advance() {
    if (!wire_.empty() && wire_.front().at <= now) {
      Datagram datagram = std::move(wire_.front());
      wire_.pop_front();
      deliver(datagram);
      return;
    }
    const auto due = [this](const std::optional<Instant>& at) { return at && *at <= now; };
    if (due(shell->next_deadline())) return shell->deadline_reached();
    if (due(nmm->next_deadline())) return nmm->deadline_reached();
    for (const auto& node : nodes) {
      if (!node->down && due(node->shell->next_deadline())) return node->shell->deadline_reached();
    }
  }
  void deliver(Datagram& datagram) {
    for (const auto& node : nodes) {
      if (node->endpoint == datagram.from && node->down) return;
    }
    if (datagram.to == endpoint_ && !nmm_down) return shell->receive(datagram.bytes, datagram.from);
    if (datagram.from == endpoint_ && nmm_down) return;
    for (const auto& node : nodes) {
      if (node->endpoint == datagram.to && !node->down)
        return node->shell->receive(datagram.bytes, datagram.from);
    }
  }

  NmmSettings settings_;
  std::function<NmmMachine()> machine_;
  SeededRandom random_{1};
  std::uint32_t incarnation_ = 0;
  std::size_t labels_ = 0;
  Endpoint endpoint_ = *parse_endpoint("10.0.0.1:7400");
  std::deque<Datagram> wire_;
};

inline FakeNode::FakeNode(Wire& the_net, std::size_t number)
    : net(the_net),
      name("n" + std::to_string(number)),
      endpoint(*parse_endpoint("10.0.1." + std::to_string(number + 1) + ":7400")),
      random(1000 + number) {
  hardware.fill(static_cast<std::uint8_t>(number + 1));
  service::Shell::Parts parts{store, nullptr, random,
                              [this](const Endpoint& to, auto frame) { net.send(endpoint, to, frame); },
                              [this] { return net.now; }};
  shell = std::make_unique<service::Shell>(std::move(parts), protocol::Engine::Options{1, 77},
                                           [this](service::Report& one) { report(one); });
}

inline void FakeNode::provision(const protocol::BundleContent& content, bool bound) {
  auto chains =
      protocol::unmask_chains(content.mask, bound ? hardware : protocol::kUnknownHardware, content.use_id);
  auto asr = protocol::make_provisioning_asr(content.identity, std::move(*chains));
  node_id = content.identity.node_id;
  provisioning = content.identity.asr_id;
  shell->post(protocol::InstallAsr{std::move(*asr), protocol::kNodeIndex, true, content.identity.serial - 1});
}

inline void FakeNode::send(protocol::Method method, std::vector<std::uint8_t> body) {
  protocol::SendRequest request;
  request.asr_id = provisioning;
  request.method = method;
  request.body = std::move(body);
  request.cookie = 1;
  shell->post(std::move(request));
}

inline void FakeNode::activate() {
  protocol::ActivateRequest request;
  request.hardware_value = hardware;
  request.version = "0.1.0";
  if (attests) {
    const auto serial = view(provisioning)->description.generation;
    request.quote = tpm.quote(protocol::activation_nonce(provisioning, serial, hardware), 0xff);
    request.signature = tpm.sign(*request.quote);
    request.attestation_key = tpm.public_key();
  }
  send(protocol::Method::activate, request.encode());
}

inline void FakeNode::heartbeat() {
  protocol::Heartbeat beat;
  for (const protocol::AsrId id : shell->engine().relationships()) {
    const auto seen = view(id);
    if (seen && seen->description.kind == protocol::Kind::operational) {
      beat.asrs.push_back({id, seen->description.generation, seen->epoch, 0});
    }
  }
  send(protocol::Method::heartbeat, beat.encode());
}

inline void FakeNode::report_breach(std::string_view detection, std::uint8_t severity,
                                    std::map<std::string, std::string> subject) {
  protocol::BreachReport breach;
  breach.detection = detection;
  breach.severity = severity;
  breach.boottime_ns = static_cast<std::uint64_t>(net.now.ns);
  breach.subject = std::move(subject);
  send(protocol::Method::breach_report, breach.encode());
}

inline void FakeNode::report(service::Report& one) {
  if (auto* asked = std::get_if<protocol::RequestReceived>(&one)) return request(*asked);
  if (auto* answer = std::get_if<protocol::ResponseReceived>(&one)) last_response = *answer;
}

inline void FakeNode::respond(const protocol::RequestReceived& request, protocol::ControlStatus status) {
  shell->post(protocol::SendResponse{request.asr_id, request.request_id, request.method, status,
                                     protocol::empty_body()});
}

inline void FakeNode::request(protocol::RequestReceived& request) {
  using protocol::ControlStatus;
  using protocol::Method;
  protocol::RequestReceived head;
  head.asr_id = request.asr_id;
  head.request_id = request.request_id;
  head.method = request.method;
  const auto answer =
      [this, head = std::make_shared<protocol::RequestReceived>(std::move(head))](const Status& status) {
        if (status) return respond(*head, ControlStatus::ok);
        const bool stale = status.error().code == Errc::stale_generation;
        respond(*head, stale ? ControlStatus::stale_generation : ControlStatus::unknown_asr);
      };
  if (request.method == Method::install) {
    ++installs;
    if (refusing) return respond(request, ControlStatus::busy);
    auto body = protocol::InstallRequest::decode(request.body.reveal());
    if (!body) return respond(request, ControlStatus::malformed);
    if (body->asr.description.kind == protocol::Kind::operational) quarantined = false;
    shell->post(protocol::InstallAsr{std::move(body->asr), body->index, body->immediate, body->retire},
                answer);
  } else if (request.method == Method::switch_generation) {
    const auto body = protocol::SwitchRequest::decode(request.body.reveal());
    shell->post(protocol::SwitchGeneration{body->asr_id, body->generation}, answer);
  } else if (request.method == Method::retire) {
    const auto body = protocol::RetireRequest::decode(request.body.reveal());
    shell->post(protocol::RetireAsr{body->asr_id}, answer);
  } else if (request.method == Method::quarantine) {
    quarantined = true;
    shell->post(protocol::EraseOperational{}, answer);
  } else if (request.method == Method::policy) {
    ++policies;
    const auto body = protocol::PolicyUpdate::decode(request.body.reveal());
    shell->post(protocol::SetPolicy{body->asr_id, body->policy}, answer);
  } else if (request.method == Method::attest && attests) {
    const auto body = protocol::AttestRequest::decode(request.body.reveal());
    protocol::AttestResponse response;
    const auto view = shell->engine().view(provisioning);
    const auto old = protocol::activation_nonce(provisioning, view->description.generation, hardware);
    response.quote = replays ? tpm.quote(old, 0xff) : tpm.quote(body->nonce, 0xff);
    response.signature = tpm.sign(response.quote);
    response.key = tpm.public_key();
    shell->post(protocol::SendResponse{request.asr_id, request.request_id, request.method, ControlStatus::ok,
                                       response.encode()});
  } else {
    erasing = erasing || request.method == Method::zeroize;
    respond(request, ControlStatus::not_supported);
  }
}

}  // namespace akm::nmm::test
