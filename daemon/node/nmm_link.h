#pragma once
// Requests to the NMM under the provisioning ASR: each has a cookie and exactly one outcome.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/protocol/effect.h"
#include "daemon/protocol/event.h"

namespace akm::node {

inline constexpr std::size_t kRequestsUnderWay = 32;

/// Pauses between tries: doubled each time, up to a maximum, and none after a success.
class Backoff {
 public:
  Backoff(Duration first, Duration most) : first_(first), most_(most), pause_(first) {}
  Duration next() {
    const Duration now = pause_;
    pause_ = std::min(pause_ * 2, most_);
    return now;
  }
  void reset() { pause_ = first_; }

 private:
  Duration first_;
  Duration most_;
  Duration pause_;
};

class NmmLink {
 public:
  /// The NMM's answer, or timed_out, busy (too many under way), not_found (no relationship).
  struct Answer {
    protocol::ControlStatus status{};
    std::vector<std::uint8_t> body;
  };
  using Handler = std::move_only_function<void(Result<Answer>)>;
  using Post = std::function<void(protocol::Event, std::move_only_function<void(const Status&)>)>;
  explicit NmmLink(Post post) : post_(std::move(post)) {}

  /// Under this provisioning ASR; 0 when there is none.
  void use(protocol::AsrId provisioning) { provisioning_ = provisioning; }
  [[nodiscard]] protocol::AsrId provisioning() const { return provisioning_; }
  /// `deadline` 0: the policy's control_deadline_s.
  void send(protocol::Method method, std::vector<std::uint8_t> body, Duration deadline, Handler handler);
  void answered(protocol::ResponseReceived& response);
  void timed_out(const protocol::RequestTimedOut& timeout);
  [[nodiscard]] std::size_t under_way() const { return pending_.size(); }
  /// Ends all requests with wrong_state: the relationship is gone.
  void abandon();

 private:
  void end(std::uint64_t cookie, Result<Answer> outcome);

  Post post_;
  protocol::AsrId provisioning_ = 0;
  std::uint64_t next_cookie_ = 1;
  std::map<std::uint64_t, Handler> pending_;
};

/// A status other than ok as an error.
Status status_of(protocol::ControlStatus status);
/// What an NMM is told of an error of ours.
protocol::ControlStatus control_status_of(const Error& error);

}  // namespace akm::node
