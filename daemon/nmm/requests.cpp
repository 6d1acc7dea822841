#include "daemon/nmm/requests.h"

namespace akm::nmm {

std::string Outcome::why() const {
  return status ? std::string(protocol::control_status_name(*status)) : "no answer";
}

std::uint64_t Requests::enlist(protocol::AsrId asr_id, Duration deadline, Instant now, Handler handler) {
  const std::uint64_t cookie = next_cookie_++;
  const Instant lost_at = now + deadline + kOutcomeSlack;
  pending_.emplace(cookie, Pending{asr_id, lost_at, std::move(handler)});
  deadlines_.emplace(lost_at, cookie);
  ++per_peer_[asr_id];
  return cookie;
}

void Requests::post(protocol::SendRequest request) {
  const std::uint64_t cookie = request.cookie;
  post_(std::move(request), [this, cookie](const Status& status) {
    if (!status) end(cookie, {}, now_());
  });
}

void Requests::send(protocol::AsrId asr_id, protocol::Method method, std::vector<std::uint8_t> body,
                    Duration deadline, Instant now, Handler handler) {
  protocol::SendRequest request;
  request.asr_id = asr_id;
  request.method = method;
  request.body = std::move(body);
  request.deadline = deadline;
  request.cookie = enlist(asr_id, deadline, now, std::move(handler));
  post(std::move(request));
}

void Requests::send_secret(protocol::AsrId asr_id, protocol::Method method, SecretBuffer body,
                           Duration deadline, Instant now, Handler handler) {
  protocol::SendRequest request;
  request.asr_id = asr_id;
  request.method = method;
  request.secret_body = std::move(body);
  request.deadline = deadline;
  request.cookie = enlist(asr_id, deadline, now, std::move(handler));
  post(std::move(request));
}

void Requests::end(std::uint64_t cookie, const Outcome& outcome, Instant now) {
  const auto at = pending_.find(cookie);
  if (at == pending_.end()) return;  // it counted as lost already
  Pending pending = std::move(at->second);
  pending_.erase(at);
  deadlines_.erase({pending.lost_at, cookie});
  if (const auto peer = per_peer_.find(pending.asr_id); peer != per_peer_.end() && --peer->second == 0) {
    per_peer_.erase(peer);
  }
  pending.handler(outcome, now);
}

void Requests::answered(protocol::ResponseReceived& response, Instant now) {
  end(response.cookie, Outcome{response.status, std::move(response.body)}, now);
}

void Requests::timed_out(const protocol::RequestTimedOut& timeout, Instant now) {
  end(timeout.cookie, {}, now);
}

std::size_t Requests::under_way(protocol::AsrId asr_id) const {
  const auto at = per_peer_.find(asr_id);
  return at == per_peer_.end() ? 0 : at->second;
}

std::optional<Instant> Requests::next_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

void Requests::deadline_reached(Instant now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) end(deadlines_.begin()->second, {}, now);
}

}  // namespace akm::nmm
