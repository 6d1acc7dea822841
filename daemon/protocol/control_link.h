#pragma once
// Control messages with the other member of a provisioning ASR (section 6): requests with repeats until their
// answer, at-most-once execution, answers repeated for repeated requests.
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/protocol/control_message.h"
#include "daemon/protocol/effect.h"
#include "daemon/protocol/engine.h"

namespace akm::protocol {

/// Which request ids of the other side's present incarnation were executed. Part of the ASR's record: it is
/// durable before a request that changes state is handed to the role, so that a recorded frame replayed after
/// a restart of this daemon executes nothing.
struct ExecutedIds {
  std::uint32_t incarnation = 0;
  std::uint32_t salt = 0;
  std::uint32_t highest = 0;  // 0: none yet
  std::uint64_t below = 0;    // bit i: highest - i was executed

  /// Executed, or too far below the highest to be known.
  [[nodiscard]] bool has(std::uint32_t incarnation_of, std::uint32_t salt_of, std::uint32_t id) const;
  /// A later one of the same incarnation was executed.
  [[nodiscard]] bool overtaken(std::uint32_t incarnation_of, std::uint32_t salt_of, std::uint32_t id) const;
  /// A newer incarnation starts anew.
  void mark(std::uint32_t incarnation_of, std::uint32_t salt_of, std::uint32_t id);
  bool operator==(const ExecutedIds&) const = default;
};

/// True for methods whose execution changes what is stored or decided: their ids are durable first. The
/// others (heartbeat, attest, report, records) may run again after a restart.
[[nodiscard]] bool changes_state(Method method);

/// Carries one message to the other member, as frames; the body is borrowed.
using SendMessage = std::function<void(const FragmentHeader&, std::span<const std::uint8_t> body)>;

class ControlLink {
 public:
  /// limit_exceeded: too many requests wait. too_large. The first transmission happens at once.
  Status request(SendRequest request, Duration deadline, Instant now, RandomSource& random,
                 const SendMessage& send);
  /// not_found: no such request waits for its answer.
  Status respond(SendResponse response, Instant now, const SendMessage& send);

  struct Sender {
    std::uint32_t incarnation = 0;
    std::uint32_t salt = 0;
    Endpoint from;
  };
  /// One fragment that opened. `before_execution` is called when a message is about to be executed, before
  /// `executed` is written. Returns the refusal when it has no meaning. `durable` is set when `executed` must
  /// be stored before the reports are carried out.
  std::optional<Refusal> hear(const Fragment& fragment, const Sender& sender, ExecutedIds& executed,
                              const SendMessage& send, const std::function<void()>& before_execution,
                              AsrId asr_id, EffectList& reports, Counters& counters, bool& durable);
  /// Repeats and deadlines.
  void tick(Instant now, const SendMessage& send, AsrId asr_id, EffectList& reports);
  [[nodiscard]] std::optional<Instant> next_deadline() const;

  /// The other side started anew: what it had begun is over.
  void peer_restarted();
  /// The id of the next request; 0: none was drawn yet.
  [[nodiscard]] std::uint32_t next_id() const { return next_id_; }
  /// Ids go on where those of this run's earlier link to the same peer ended.
  void continue_ids(std::uint32_t next) { next_id_ = next; }
  /// Storing failed: requests that are not executed after all may come again.
  void forget_unexecuted(const ExecutedIds& executed);

 private:
  struct Pending {
    std::uint32_t id = 0;
    Method method{};
    SecretBuffer body;
    std::uint64_t cookie = 0;
    Duration interval{};
    Instant repeat_at;
    Instant deadline;
  };
  struct Answer {
    std::uint32_t id = 0;
    Method method{};
    ControlStatus status{};
    std::vector<std::uint8_t> body;
    Instant at;
  };
  void hear_again(const FragmentHeader& header, const SendMessage& send, Counters& counters);
  std::optional<Refusal> hear_response(const Fragment& fragment, EffectList& reports, AsrId asr_id);
  static void transmit(Pending& pending, Instant now, const SendMessage& send);
  /// The other side puts kReassembliesPerPeer messages together at once: further large ones wait for their
  /// turn.
  [[nodiscard]] bool waits_for_turn(std::size_t place) const;

  std::uint32_t next_id_ = 0;  // 0: not drawn yet
  std::vector<Pending> pending_;
  std::vector<std::uint32_t> executing_;
  std::deque<Answer> answers_;  // oldest first
  Reassembler requests_;
  Reassembler responses_;
};

}  // namespace akm::protocol
