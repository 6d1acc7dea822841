#include "daemon/protocol/control_link.h"

#include <algorithm>

#include "daemon/base/earliest.h"

namespace akm::protocol {
namespace {

using namespace std::chrono_literals;

constexpr Duration kRepeatFirst = 200ms;  // section 6
constexpr Duration kRepeatLast = 5s;
// Twenty times the usual deadline: whoever repeats a request for longer is told to ask anew.
constexpr Duration kAnswersKept = 600s;
constexpr std::uint32_t kIdSpace = 0x7fffffff;

}  // namespace

bool ExecutedIds::has(std::uint32_t incarnation_of, std::uint32_t salt_of, std::uint32_t id) const {
  if (incarnation_of != incarnation || salt_of != salt) return incarnation_of <= incarnation;
  if (id > highest) return false;
  const std::uint32_t distance = highest - id;
  return distance >= limits::kRequestSpread || ((below >> distance) & 1) != 0;
}

bool ExecutedIds::overtaken(std::uint32_t incarnation_of, std::uint32_t salt_of, std::uint32_t id) const {
  return incarnation_of == incarnation && salt_of == salt && id < highest;
}

void ExecutedIds::mark(std::uint32_t incarnation_of, std::uint32_t salt_of, std::uint32_t id) {
  if (incarnation_of != incarnation || salt_of != salt) *this = {incarnation_of, salt_of, 0, 0};
  if (id > highest) {
    const std::uint32_t distance = id - highest;
    below = distance < limits::kRequestSpread ? below << distance : 0;
    highest = id;
  }
  below |= std::uint64_t{1} << (highest - id);
}

bool changes_state(Method method) {
  switch (method) {
    case Method::heartbeat:
    case Method::attest:
    case Method::report:
    case Method::records:
      return false;
    case Method::activate:
    case Method::install:
    case Method::switch_generation:
    case Method::retire:
    case Method::breach_report:
    case Method::policy:
    case Method::resync:
    case Method::rotate_provisioning:
    case Method::quarantine:
    case Method::zeroize:
    case Method::issue:
    case Method::adopt:
    case Method::fence:
    case Method::configure:
    case Method::detection_policy:
      return true;
  }
  return true;
}

Status ControlLink::request(SendRequest request, Duration deadline, Instant now, RandomSource& random,
                            const SendMessage& send) {
  if (pending_.size() >= limits::kPendingRequestsPerPeer)
    return fail(Errc::limit_exceeded, "requests waiting");
  if (next_id_ == 0) {
    // Ids of an incarnation only rise, from a random start: a recorded answer to an earlier incarnation's
    // request does not fit one of ours. Without this, answers recorded before our restart would (their sender
    // did not restart).
    AKM_ASSIGN(const std::uint32_t drawn, random_u32(random));
    next_id_ = drawn % kIdSpace + 1;
  }
  // The other side knows the ids of the last kRequestSpread requests only.
  if (!pending_.empty() && next_id_ - pending_.front().id >= limits::kRequestSpread) {
    return fail(Errc::limit_exceeded, "an old request still waits");
  }
  Pending pending;
  pending.method = request.method;
  pending.body =
      request.secret_body.empty() ? SecretBuffer::copy_of(request.body) : std::move(request.secret_body);
  if (pending.body.size() > limits::kRequestBodyBytes) return fail(Errc::too_large, "request body");
  pending.id = next_id_++;
  pending.cookie = request.cookie;
  pending.interval = kRepeatFirst;
  pending.repeat_at = now;
  pending.deadline = now + deadline;
  pending_.push_back(std::move(pending));
  if (!waits_for_turn(pending_.size() - 1)) {
    transmit(pending_.back(), now, send);
  }
  return {};
}

bool ControlLink::waits_for_turn(std::size_t place) const {
  const auto large = [](const Pending& pending) { return pending.body.size() > kFragmentBytes; };
  if (!large(pending_[place])) return false;
  const auto before =
      std::ranges::count_if(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(place), large);
  return static_cast<std::size_t>(before) >= limits::kReassembliesPerPeer;
}

void ControlLink::transmit(Pending& pending, Instant now, const SendMessage& send) {
  FragmentHeader header;
  header.request_id = pending.id;
  header.kind = MessageKind::request;
  header.method = pending.method;
  send(header, pending.body.reveal());
  pending.repeat_at = now + pending.interval;
  pending.interval = std::min<Duration>(pending.interval * 2, kRepeatLast);
}

Status ControlLink::respond(SendResponse response, Instant now, const SendMessage& send) {
  const auto found = std::ranges::find(executing_, response.request_id);
  if (found == executing_.end()) return fail(Errc::not_found, "request");
  if (response.body.size() > limits::kRequestBodyBytes) return fail(Errc::too_large, "response body");
  executing_.erase(found);
  while (!answers_.empty() &&
         (answers_.size() >= limits::kRememberedResponses || now - answers_.front().at > kAnswersKept)) {
    answers_.pop_front();
  }
  FragmentHeader header;
  header.request_id = response.request_id;
  header.kind = MessageKind::response;
  header.method = response.method;
  header.status = response.status;
  send(header, response.body);
  answers_.push_back({response.request_id, response.method, response.status, std::move(response.body), now});
  return {};
}

/// A request that was executed before: its answer again, where there is one.
void ControlLink::hear_again(const FragmentHeader& header, const SendMessage& send, Counters& counters) {
  if (header.fragment != 0 || header.kind != MessageKind::request) return;
  ++counters.requests_repeated;
  FragmentHeader again;
  again.request_id = header.request_id;
  again.kind = MessageKind::response;
  again.method = header.method;
  const auto answer = std::ranges::find(answers_, header.request_id, &Answer::id);
  if (answer != answers_.end()) {
    again.method = answer->method;
    again.status = answer->status;
    send(again, answer->body);
    return;
  }
  if (std::ranges::find(executing_, header.request_id) != executing_.end())
    return;  // its answer is on the way
  // Taken before our restart; whether it was carried out is not known. The sender asks anew, under a new id.
  again.status = ControlStatus::busy;
  send(again, {});
}

std::optional<Refusal> ControlLink::hear_response(const Fragment& fragment, EffectList& reports,
                                                  AsrId asr_id) {
  const auto pending = std::ranges::find(pending_, fragment.header.request_id, &Pending::id);
  if (pending == pending_.end() || pending->method != fragment.header.method) return Refusal::not_expected;
  auto message = responses_.add(fragment);
  if (!message) return Refusal::malformed_payload;
  if (!*message) return std::nullopt;
  const auto body = (*message)->body.reveal();
  reports.emplace_back(ResponseReceived{asr_id, pending->cookie, pending->method, (*message)->header.status,
                                        std::vector<std::uint8_t>(body.begin(), body.end())});
  pending_.erase(pending);
  return std::nullopt;
}

std::optional<Refusal> ControlLink::hear(const Fragment& fragment, const Sender& sender,
                                         ExecutedIds& executed, const SendMessage& send,
                                         const std::function<void()>& before_execution, AsrId asr_id,
                                         EffectList& reports, Counters& counters, bool& durable) {
  const FragmentHeader& header = fragment.header;
  if (header.kind == MessageKind::response) return hear_response(fragment, reports, asr_id);
  if (executed.has(sender.incarnation, sender.salt, header.request_id)) {
    if (header.kind == MessageKind::one_way) return Refusal::not_expected;
    hear_again(header, send, counters);
    return std::nullopt;
  }
  if (executing_.size() >= limits::kPendingRequestsPerPeer) return Refusal::over_limit;
  auto message = requests_.add(fragment);
  if (!message) return Refusal::malformed_payload;
  if (!*message) return std::nullopt;
  // The order: id durable first, execution after (whose own writes are other files). A crash between loses
  // the execution but never repeats it; the sender learns it as `busy` when it repeats, and asks under a new
  // id.
  before_execution();
  const bool overtaken = executed.overtaken(sender.incarnation, sender.salt, header.request_id);
  executed.mark(sender.incarnation, sender.salt, header.request_id);
  durable = changes_state(header.method);
  const bool expects_response = header.kind == MessageKind::request;
  if (expects_response) executing_.push_back(header.request_id);
  ++counters.requests_executed;
  reports.emplace_back(RequestReceived{asr_id, header.request_id, header.method, expects_response,
                                       std::move((*message)->body), sender.from, overtaken});
  return std::nullopt;
}

void ControlLink::tick(Instant now, const SendMessage& send, AsrId asr_id, EffectList& reports) {
  std::erase_if(pending_, [&](const Pending& pending) {
    if (pending.deadline > now) return false;
    reports.emplace_back(RequestTimedOut{asr_id, pending.cookie, pending.method});
    return true;
  });
  for (std::size_t place = 0; place < pending_.size(); ++place) {
    Pending& pending = pending_[place];
    if (pending.repeat_at > now || waits_for_turn(place)) continue;
    transmit(pending, now, send);
  }
}

std::optional<Instant> ControlLink::next_deadline() const {
  Earliest next;
  for (std::size_t place = 0; place < pending_.size(); ++place) {
    const Pending& pending = pending_[place];
    next.consider(pending.deadline);
    if (!waits_for_turn(place)) next.consider(pending.repeat_at);
  }
  return next.at();
}

void ControlLink::peer_restarted() {
  requests_.clear();
  responses_.clear();
  executing_.clear();
  answers_.clear();
}

void ControlLink::forget_unexecuted(const ExecutedIds& executed) {
  std::erase_if(executing_,
                [&](std::uint32_t id) { return !executed.has(executed.incarnation, executed.salt, id); });
}

}  // namespace akm::protocol
