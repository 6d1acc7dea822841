#include "daemon/node/nmm_link.h"

#include <utility>

namespace akm::node {

void NmmLink::send(protocol::Method method, std::vector<std::uint8_t> body, Duration deadline,
                   Handler handler) {
  if (provisioning_ == 0) return handler(fail(Errc::not_provisioned));
  if (pending_.size() >= kRequestsUnderWay) return handler(fail(Errc::busy, "requests to the NMM"));
  const std::uint64_t cookie = next_cookie_++;
  pending_.emplace(cookie, std::move(handler));
  protocol::SendRequest request;
  request.asr_id = provisioning_;
  request.method = method;
  request.body = std::move(body);
  request.cookie = cookie;
  request.deadline = deadline;
  // A request that the engine refuses has no other outcome.
  post_(std::move(request), [this, cookie](const Status& taken) {
    if (!taken) end(cookie, std::unexpected(taken.error()));
  });
}

void NmmLink::answered(protocol::ResponseReceived& response) {
  if (response.asr_id != provisioning_) return;
  end(response.cookie, Answer{response.status, std::move(response.body)});
}

void NmmLink::timed_out(const protocol::RequestTimedOut& timeout) {
  end(timeout.cookie, fail(Errc::timed_out, std::string(protocol::method_name(timeout.method))));
}

void NmmLink::abandon() {
  while (!pending_.empty()) end(pending_.begin()->first, fail(Errc::wrong_state, "the relationship is gone"));
}

void NmmLink::end(std::uint64_t cookie, Result<Answer> outcome) {
  const auto found = pending_.find(cookie);
  if (found == pending_.end()) return;
  Handler handler = std::move(found->second);
  pending_.erase(found);
  handler(std::move(outcome));
}

Status status_of(protocol::ControlStatus status) {
  switch (status) {
    case protocol::ControlStatus::ok:
      return {};
    case protocol::ControlStatus::unknown_asr:
      return fail(Errc::not_found, "the NMM does not know the relationship");
    case protocol::ControlStatus::stale_generation:
      return fail(Errc::stale_generation);
    case protocol::ControlStatus::hardware_mismatch:
      return fail(Errc::hardware_mismatch);
    case protocol::ControlStatus::not_activated:
      return fail(Errc::not_activated);
    case protocol::ControlStatus::refused_by_policy:
      return fail(Errc::refused_by_policy, "by the NMM");
    case protocol::ControlStatus::malformed:
      return fail(Errc::malformed, "says the NMM");
    case protocol::ControlStatus::busy:
      return fail(Errc::busy, "the NMM");
    case protocol::ControlStatus::storage_failed:
      return fail(Errc::storage_failed, "at the NMM");
    case protocol::ControlStatus::not_supported:
      return fail(Errc::not_supported, "by the NMM");
  }
  return fail(Errc::malformed, "unknown status");
}

protocol::ControlStatus control_status_of(const Error& error) {
  using protocol::ControlStatus;
  if (error.code == Errc::not_found) return ControlStatus::unknown_asr;
  if (error.code == Errc::stale_generation || error.code == Errc::already_exists)
    return ControlStatus::stale_generation;
  if (error.code == Errc::not_activated) return ControlStatus::not_activated;
  if (error.code == Errc::malformed || error.code == Errc::invalid_argument ||
      error.code == Errc::truncated || error.code == Errc::too_large) {
    return ControlStatus::malformed;
  }
  if (error.code == Errc::busy || error.code == Errc::limit_exceeded || error.code == Errc::wrong_state) {
    return ControlStatus::busy;
  }
  if (error.code == Errc::storage_failed || error.code == Errc::disk_full || error.code == Errc::read_only) {
    return ControlStatus::storage_failed;
  }
  if (error.code == Errc::not_supported) return ControlStatus::not_supported;
  return ControlStatus::refused_by_policy;
}

}  // namespace akm::node
