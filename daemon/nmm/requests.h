#pragma once
// Control requests under way: each has a cookie, and exactly one outcome, whatever becomes of it.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/protocol/effect.h"
#include "daemon/protocol/event.h"

namespace akm::nmm {

struct Outcome {
  std::optional<protocol::ControlStatus> status;  // none: no answer
  std::vector<std::uint8_t> body;
  /// For people: "no answer", or the status's name.
  [[nodiscard]] std::string why() const;
  [[nodiscard]] bool ok() const { return status == protocol::ControlStatus::ok; }
};

/// The engine reports each request's end; one that it refused to take has none, and counts as lost this much
/// later.
inline constexpr Duration kOutcomeSlack = std::chrono::seconds(3);

class Requests {
 public:
  using Handler = std::move_only_function<void(const Outcome&, Instant now)>;
  /// Called when the engine has taken the event, or has refused it.
  using AfterStep = std::move_only_function<void(const Status&)>;
  /// `post` takes events for the engine; it must not run them before it returns.
  using Post = std::function<void(protocol::Event, AfterStep)>;
  Requests(Post post, std::function<Instant()> now) : post_(std::move(post)), now_(std::move(now)) {}

  /// `deadline` is how long the engine repeats it.
  void send(protocol::AsrId asr_id, protocol::Method method, std::vector<std::uint8_t> body,
            Duration deadline, Instant now, Handler handler);
  /// For a body with credentials.
  void send_secret(protocol::AsrId asr_id, protocol::Method method, SecretBuffer body, Duration deadline,
                   Instant now, Handler handler);

  void answered(protocol::ResponseReceived& response, Instant now);
  void timed_out(const protocol::RequestTimedOut& timeout, Instant now);
  /// Requests to this peer that have no outcome yet.
  [[nodiscard]] std::size_t under_way(protocol::AsrId asr_id) const;
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached(Instant now);

 private:
  struct Pending {
    protocol::AsrId asr_id = 0;
    Instant lost_at;
    Handler handler;
  };
  std::uint64_t enlist(protocol::AsrId asr_id, Duration deadline, Instant now, Handler handler);
  void post(protocol::SendRequest request);
  void end(std::uint64_t cookie, const Outcome& outcome, Instant now);

  Post post_;
  std::function<Instant()> now_;
  std::uint64_t next_cookie_ = 1;
  std::unordered_map<std::uint64_t, Pending> pending_;
  std::unordered_map<protocol::AsrId, std::size_t> per_peer_;
  std::set<std::pair<Instant, std::uint64_t>> deadlines_;
};

}  // namespace akm::nmm
