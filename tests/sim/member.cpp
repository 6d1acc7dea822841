#include "tests/sim/member.h"

#include "daemon/protocol/cbor.h"
#include "daemon/protocol/control_body.h"

namespace akm::sim {
namespace {

using namespace std::chrono_literals;
using protocol::ControlStatus;
using protocol::Method;

constexpr Duration kHeartbeat = 4s;
constexpr Duration kResyncAgain = 6s;
constexpr std::uint64_t kBreach = 1;
constexpr std::uint64_t kAsk = 2;

/// As daemon/node/nmm_link.cpp says it.
ControlStatus status_of(const Status& done) {
  if (done) return ControlStatus::ok;
  const Errc code = done.error().code;
  if (code == Errc::stale_generation || code == Errc::already_exists) return ControlStatus::stale_generation;
  if (code == Errc::not_found) return ControlStatus::unknown_asr;
  if (code == Errc::storage_failed) return ControlStatus::storage_failed;
  if (code == Errc::not_supported) return ControlStatus::not_supported;
  return ControlStatus::malformed;
}

}  // namespace

void Members::breached(std::size_t machine) {
  if (!fleet_.machine(machine).engine || fleet_.machine(machine).hostile || fleet_.machine(machine).doubled)
    return;
  unheard_.insert(machine);
  fleet_.note(machine, "breach: erases its operational keys");
  fleet_.post(machine, protocol::EraseOperational{});
  tell(machine);
}

void Members::tell(std::size_t machine) {
  protocol::BreachReport report;
  report.detection = "key-access";
  report.severity = 2;
  protocol::SendRequest request;
  request.asr_id = link_of(machine);
  request.method = Method::breach_report;
  request.body = report.encode();
  request.cookie = kBreach;
  fleet_.post(machine, std::move(request), [this, machine](const Status& done) {
    if (!done) fleet_.call_at(fleet_.now() + 1s, [this, machine] { tell_if_unheard(machine); });
  });
}

void Members::ask(std::size_t from, std::size_t node, bool large) {
  protocol::SendRequest request;
  request.asr_id = link_of(node);
  request.method = Method::policy;
  request.body = {
      0xa1, 0x61, 'i', 0x1a, 0, 0, static_cast<std::uint8_t>(asked_ >> 8), static_cast<std::uint8_t>(asked_)};
  ++asked_;
  if (large) request.body.resize(3000, 0);
  request.cookie = kAsk;
  fleet_.post(from, std::move(request));
}

void Members::report(std::size_t machine, protocol::Effect& effect) {
  if (const auto* request = std::get_if<protocol::RequestReceived>(&effect))
    return executed(machine, *request);
  if (const auto* exhausted = std::get_if<protocol::ChainsExhausted>(&effect)) {
    if (exhausted->asr_id != kGroup) return;
    const auto last = exhausted_.find(machine);
    const std::pair now{exhausted->generation, fleet_.machine(machine).incarnation};
    if (last != exhausted_.end() && last->second == now) return;
    exhausted_[machine] = now;
    return resync(machine, now.first, now.second);
  }
  const auto* response = std::get_if<protocol::ResponseReceived>(&effect);
  const auto* timeout = std::get_if<protocol::RequestTimedOut>(&effect);
  const bool heard =
      response != nullptr && response->cookie == kBreach && response->status == ControlStatus::ok;
  const bool unheard = (timeout != nullptr && timeout->cookie == kBreach) ||
                       (response != nullptr && response->cookie == kBreach && !heard);
  if (heard) unheard_.erase(machine);
  if (unheard) tell_if_unheard(machine);
}

void Members::restarted(std::size_t machine) {
  tell_if_unheard(machine);
  const std::uint32_t incarnation = fleet_.machine(machine).incarnation;
  fleet_.call_at(fleet_.now() + kHeartbeat,
                 [this, machine, incarnation] { heartbeat(machine, incarnation); });
}

void Members::heartbeat(std::size_t machine, std::uint32_t incarnation) {
  if (!fleet_.machine(machine).engine || fleet_.machine(machine).incarnation != incarnation) return;
  protocol::SendRequest request;
  request.asr_id = link_of(machine);
  request.method = Method::heartbeat;
  request.body = protocol::Heartbeat{}.encode();
  request.cookie = kAsk;
  fleet_.post(machine, std::move(request));
  fleet_.call_at(fleet_.now() + kHeartbeat,
                 [this, machine, incarnation] { heartbeat(machine, incarnation); });
}

void Members::tell_if_unheard(std::size_t machine) {
  if (unheard_.contains(machine) && fleet_.machine(machine).engine) tell(machine);
}

/// Again and again until another generation is there: whoever has used the failsafe chain well has no further
/// round in which the engine would say it again, and a member that was left out waits for it.
void Members::resync(std::size_t machine, std::uint32_t generation, std::uint32_t incarnation) {
  const Fleet::Machine& here = fleet_.machine(machine);
  if (!here.engine || here.incarnation != incarnation || !here.engine->view(link_of(machine))) return;
  const auto view = here.engine->view(kGroup);
  if (!view || view->description.generation != generation) return;
  protocol::SendRequest request;
  request.asr_id = link_of(machine);
  request.method = Method::resync;
  request.body = protocol::ResyncRequest{kGroup, generation}.encode();
  request.cookie = kAsk;
  fleet_.post(machine, std::move(request));
  fleet_.call_at(fleet_.now() + kResyncAgain,
                 [this, machine, generation, incarnation] { resync(machine, generation, incarnation); });
}

void Members::executed(std::size_t machine, const protocol::RequestReceived& request) {
  switch (request.method) {
    case Method::install:
      return install(machine, request);
    case Method::switch_generation: {
      const auto body = protocol::SwitchRequest::decode(request.body.reveal());
      if (!body) break;
      return carry_out(machine, request, protocol::SwitchGeneration{body->asr_id, body->generation});
    }
    case Method::retire: {
      const auto body = protocol::RetireRequest::decode(request.body.reveal());
      if (!body) break;
      return carry_out(machine, request, protocol::RetireAsr{body->asr_id});
    }
    case Method::quarantine:
      return carry_out(machine, request, protocol::EraseOperational{});
    case Method::rotate_provisioning:
      return carry_out(machine, request, protocol::RequestRekey{request.asr_id});
    case Method::policy:  // what ask() sends
    case Method::activate:
    case Method::heartbeat:
    case Method::breach_report:
    case Method::resync:
    case Method::zeroize:
    case Method::attest:
    case Method::issue:
    case Method::report:
    case Method::records:
    case Method::adopt:
    case Method::fence:
    case Method::configure:
    case Method::detection_policy:
      if (!request.expects_response) return;
      return answer(machine, request.asr_id, request.request_id, request.method, ControlStatus::ok);
  }
  answer(machine, request.asr_id, request.request_id, request.method, ControlStatus::malformed);
}

void Members::install(std::size_t machine, const protocol::RequestReceived& request) {
  auto body = protocol::InstallRequest::decode(request.body.reveal());
  if (!body) {
    return answer(machine, request.asr_id, request.request_id, request.method, ControlStatus::malformed);
  }
  carry_out(machine, request,
            protocol::InstallAsr{std::move(body->asr), body->index, body->immediate, body->retire});
}

void Members::carry_out(std::size_t machine, const protocol::RequestReceived& request,
                        protocol::Event event) {
  fleet_.post(machine, std::move(event),
              [this, machine, id = request.asr_id, number = request.request_id, method = request.method](
                  const Status& done) { answer(machine, id, number, method, status_of(done)); });
}

void Members::answer(std::size_t machine, protocol::AsrId id, std::uint32_t request, Method method,
                     ControlStatus status) {
  fleet_.post(machine, protocol::SendResponse{id, request, method, status, protocol::empty_body()});
}

}  // namespace akm::sim
