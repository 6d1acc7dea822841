// All twelve methods of section 6 between an NMM and a node, on a network that loses, doubles, reorders and
// damages datagrams, with bodies as large as the method allows and a rekey in the middle: each request is
// executed once, whole, and answered once, whole; and all that was recorded, played again, executes nothing.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "daemon/protocol/control_body.h"
#include "tests/support/engine_net.h"

namespace akm {
namespace {

using namespace protocol;
using testing::EngineNet;
using namespace std::chrono_literals;

constexpr AsrId kAsr = 7;
constexpr std::size_t kNmm = 0;
constexpr std::size_t kNode = 1;
constexpr Duration kPatience = 600s;
constexpr Duration kTurn = 20ms;

struct Asked {
  std::size_t from = kNmm;
  Method method{};
  Body body;
  Body answer;
  std::size_t executed = 0;
  std::size_t answered = 0;
};

class Channel {
 public:
  explicit Channel(std::uint64_t seed) : net_(2, seed) {
    net_.answer_requests = false;
    net_.record_frames = true;
    net_.install_everywhere(net_.make_asr(kAsr, 1, 2, Kind::provisioning), true);
    net_.faults.loss = 0.05 * net_.dice().below(7);
    net_.faults.duplicate = 0.1 * net_.dice().below(5);
    net_.faults.damage = 0.01 * net_.dice().below(4);
    net_.faults.delay_max_us = 500 + net_.dice().below(300'000);
  }

  /// What went wrong; empty when nothing did.
  std::string run() {
    ask_all();
    for (Duration spent{}; spent < kPatience && !all_answered() && wrong_.empty(); spent += kTurn) {
      net_.run(kTurn);
      hear();
    }
    net_.run(1s);  // what is still on the way
    hear();
    check_counts("");
    replay();
    check_counts(" after all was played again");
    for (const std::string& violation : net_.violations) note(violation);
    return wrong_;
  }
  [[nodiscard]] std::size_t frames() const { return net_.frames; }

 private:
  void note(const std::string& what) { wrong_ += (wrong_.empty() ? "" : "; ") + what; }
  Body bytes(std::size_t size) {
    Body out(size);
    (void)net_.dice().fill(out);
    return out;
  }
  std::string text(std::size_t size) {
    return std::string(size, static_cast<char>('a' + net_.dice().below(26)));
  }

  /// `large`: as much as the method may carry; else as little.
  Body body_of(Method method, bool large) {
    switch (method) {
      case Method::activate: {
        ActivateRequest out{.hardware_value = {1},
                            .version = text(large ? kVersionTextBytes : 0),
                            .quote = {},
                            .signature = {},
                            .attestation_key = {},
                            .machine = {},
                            .rehome = false};
        if (large)
          out.quote = bytes(kQuoteBytes), out.signature = bytes(kQuoteBytes),
          out.attestation_key = bytes(kQuoteBytes);
        return out.encode();
      }
      case Method::heartbeat: {
        Heartbeat out;
        for (std::size_t i = 0; large && i < kHeartbeatAsrs; ++i)
          out.asrs.push_back({net_.dice().next(), UINT32_MAX, UINT32_MAX, 3});
        out.uptime_s = net_.dice().next();
        return out.encode();
      }
      case Method::install:
        return install(large ? 1400 : 2);
      case Method::switch_generation:
      case Method::resync:
        return SwitchRequest{net_.dice().next(), large ? UINT32_MAX : 1}.encode();
      case Method::retire:
        return RetireRequest{large ? net_.dice().next() : 1}.encode();
      case Method::breach_report: {
        BreachReport out{.detection = "key-access",
                         .severity = 2,
                         .boottime_ns = net_.dice().next(),
                         .subject = {},
                         .evidence = {}};
        for (std::size_t i = 0; large && i < kEvidencePairs; ++i) {
          out.subject[text(8) + std::to_string(i)] = text(kEvidenceTextBytes);
          out.evidence[text(8) + std::to_string(i)] = text(kEvidenceTextBytes);
        }
        return out.encode();
      }
      case Method::policy: {
        PolicyUpdate out;
        if (large) {
          out.asr_id = net_.dice().next();
          out.policy.topology = Topology::multicast;
          out.policy.multicast_group = "[ff15:1234:5678:9abc:def0:1234:5678:9abc]:65535";
        }
        return out.encode();
      }
      case Method::rotate_provisioning:
      case Method::quarantine:
      case Method::zeroize:
        return large ? empty_body() : Body{};
      case Method::attest:
        return AttestRequest{.nonce = bytes(large ? 64 : 16), .pcrs = {0, 7}}.encode();
      case Method::issue:  // those of the Root are not asked here
      case Method::report:
      case Method::records:
      case Method::adopt:
      case Method::fence:
      case Method::configure:
      case Method::detection_policy:
        break;
    }
    return {};
  }

  Body install(std::size_t members) {
    InstallRequest out{.asr = net_.make_asr(0x99, 1, 2), .index = 0, .immediate = true, .retire = 0};
    out.asr.description.roster.clear();
    for (std::size_t i = 0; i < members; ++i)
      out.asr.description.roster.push_back({static_cast<std::uint16_t>(i),
                                            1'000'000 + i,
                                            Role::node,
                                            "n" + std::to_string(i),
                                            {"10.0.0.1:" + std::to_string(10'000 + i)}});
    const auto encoded = out.encode();
    if (!encoded) return note("install is too large"), Body{};
    const auto revealed = encoded->reveal();
    return {revealed.begin(), revealed.end()};
  }

  Body answer_of(Method method, bool large) {
    if (!large) return empty_body();
    if (method == Method::activate) return ActivateResponse{.nmm = text(64), .policy = {}}.encode();
    if (method == Method::breach_report) {
      BreachDecision out{.decision = "evict", .asrs = {}};
      for (std::size_t i = 0; i < kHeartbeatAsrs; ++i) out.asrs.push_back(net_.dice().next());
      return out.encode();
    }
    if (method == Method::attest) {
      return AttestResponse{
          .quote = bytes(kQuoteBytes), .signature = bytes(kQuoteBytes), .log = {9}, .key = bytes(kQuoteBytes)}
          .encode();
    }
    return bytes(net_.dice().below(3) == 0 ? limits::kRequestBodyBytes : 1);
  }

  /// As many at once as may wait: two of each method of the NMM are 16.
  void ask_all() {
    for (std::uint8_t number = 1; number <= static_cast<std::uint8_t>(Method::attest); ++number) {
      const auto method = static_cast<Method>(number);
      const bool of_node = method == Method::activate || method == Method::heartbeat ||
                           method == Method::breach_report || method == Method::resync;
      for (const bool large : {true, false}) {
        Asked asked;
        asked.from = of_node ? kNode : kNmm;
        asked.method = method;
        asked.body = body_of(method, large);
        asked.answer = answer_of(method, large);
        asked_.push_back(std::move(asked));
      }
    }
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      SendRequest request;
      request.asr_id = kAsr;
      request.method = asked_[i].method;
      request.body = asked_[i].body;
      request.cookie = i;
      request.deadline = kPatience;
      net_.give(asked_[i].from, std::move(request));
    }
  }

  void hear() {
    for (const std::size_t at : {kNmm, kNode}) {
      for (const auto& request : net_.take<RequestReceived>(at)) execute(at, request);
      for (const auto& response : net_.take<ResponseReceived>(at)) {
        Asked& asked = asked_.at(response.cookie);
        ++asked.answered;
        if (asked.from != at || asked.method != response.method || asked.answer != response.body ||
            response.status != ControlStatus::ok) {
          note("another answer to " + std::string(method_name(response.method)));
        }
      }
      for (const auto& lost : net_.take<RequestTimedOut>(at))
        note("no answer to " + std::string(method_name(lost.method)));
      for (const auto& refused : net_.take<EventRefused>(at)) note("refused: " + refused.error.message());
    }
  }

  void execute(std::size_t at, const RequestReceived& request) {
    const auto body = request.body.reveal();
    for (Asked& asked : asked_) {
      const bool this_one =
          asked.method == request.method && asked.from != at && std::ranges::equal(asked.body, body);
      if (!this_one) continue;
      ++asked.executed;
      // In the middle of it the keys change.
      if (request.method == Method::rotate_provisioning) net_.give(at, RequestRekey{kAsr});
      net_.give(at, SendResponse{request.asr_id, request.request_id, request.method, ControlStatus::ok,
                                 asked.answer});
      return;
    }
    note(std::string(method_name(request.method)) + " was executed with a body that nobody sent");
  }

  [[nodiscard]] bool all_answered() const {
    return std::ranges::all_of(asked_, [](const Asked& asked) { return asked.answered > 0; });
  }

  void check_counts(const std::string& when) {
    for (const Asked& asked : asked_) {
      if (asked.executed == 1 && asked.answered == 1) continue;
      note(std::string(method_name(asked.method)) + " was executed " + std::to_string(asked.executed) +
           " times and answered " + std::to_string(asked.answered) + " times" + when);
    }
  }

  void replay() {
    net_.faults = {};
    net_.record_frames = false;
    auto recorded = std::move(net_.recorded);
    for (std::size_t left = recorded.size(); left > 0; --left) {
      auto& frame = recorded[net_.dice().below(static_cast<std::uint32_t>(left))];
      const std::size_t to = frame.from == kNmm ? kNode : kNmm;
      net_.inject(to, std::move(frame.bytes), net_.node(frame.from).endpoint);
      frame = std::move(recorded[left - 1]);
      hear();
    }
    net_.run(1s);
    hear();
  }

  EngineNet net_;
  std::vector<Asked> asked_;
  std::string wrong_;
};

}  // namespace
}  // namespace akm

int main(int argc, char** argv) {
  const std::uint64_t seeds = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 300;
  const std::uint64_t first = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  std::size_t failed = 0;
  std::size_t frames = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    akm::Channel channel(seed);
    const std::string wrong = channel.run();
    frames += channel.frames();
    if (wrong.empty()) continue;
    ++failed;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), wrong.c_str());
  }
  std::printf("%llu seeds, %zu failed, %zu frames\n", static_cast<unsigned long long>(seeds), failed, frames);
  return failed == 0 ? 0 : 1;
}
