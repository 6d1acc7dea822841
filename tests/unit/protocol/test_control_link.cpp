#include "daemon/protocol/control_link.h"

#include <criterion/criterion.h>

#include <vector>

#include "tests/support/engine_net.h"

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;

namespace {

struct Sent {
  FragmentHeader header;
  std::vector<std::uint8_t> body;
};

/// Two links and what the second one knows of the first.
struct Pair {
  testing::SeededRandom random{1};
  ControlLink link;
  std::vector<Sent> sent;
  ExecutedIds executed;
  EffectList reports;
  Counters counters;
  bool durable = false;
  int preparations = 0;
  SendMessage send = [this](const FragmentHeader& header, std::span<const std::uint8_t> body) {
    sent.push_back({header, {body.begin(), body.end()}});
  };

  Status ask(Method method, std::vector<std::uint8_t> body = {0xa0}, Instant now = {}) {
    SendRequest request;
    request.method = method;
    request.body = std::move(body);
    request.cookie = 77;
    return link.request(std::move(request), 30s, now, random, send);
  }
  std::optional<Refusal> hear(const FragmentHeader& header, std::span<const std::uint8_t> body,
                              std::uint32_t incarnation = 1) {
    durable = false;
    return link.hear(
        {header, body}, {incarnation, 5, {}}, executed, send, [this] { ++preparations; }, 9, reports,
        counters, durable);
  }
  std::optional<Refusal> hear_request(std::uint32_t id, Method method = Method::install,
                                      std::uint32_t incarnation = 1) {
    FragmentHeader header;
    header.request_id = id;
    header.method = method;
    return hear(header, std::vector<std::uint8_t>{0xa0}, incarnation);
  }
  Status respond(std::uint32_t id, ControlStatus status = ControlStatus::ok) {
    return link.respond({9, id, Method::install, status, {0xa0}}, Instant{}, send);
  }
};

}  // namespace

Test(control_link, repeats_with_pauses_that_double_until_the_deadline) {
  Pair pair;
  cr_assert(pair.ask(Method::heartbeat));
  cr_assert_eq(pair.sent.size(), 1U);
  std::vector<std::int64_t> pauses;
  Instant last{};
  while (const auto due = pair.link.next_deadline()) {
    const auto before = pair.sent.size();
    pair.link.tick(*due, pair.send, 9, pair.reports);
    if (pair.sent.size() > before) pauses.push_back((*due - last).count() / 1'000'000);
    last = *due;
  }
  cr_assert_eq(pauses[0], 200);
  cr_assert_eq(pauses[1], 400);
  cr_assert_eq(pauses.back(), 5000);
  cr_assert_eq((last - Instant{}).count(), Duration(30s).count());
  cr_assert_eq(pair.reports.size(), 1U);
  cr_assert_eq(std::get<RequestTimedOut>(pair.reports[0]).cookie, 77U);
}

Test(control_link, an_answer_ends_its_request_only) {
  Pair pair;
  cr_assert(pair.ask(Method::heartbeat));
  FragmentHeader header = pair.sent[0].header;
  header.kind = MessageKind::response;
  const std::vector<std::uint8_t> body{0xa0};
  FragmentHeader other = header;
  ++other.request_id;
  cr_assert_eq(*pair.hear(other, body), Refusal::not_expected);
  other = header;
  other.method = Method::attest;
  cr_assert_eq(*pair.hear(other, body), Refusal::not_expected);
  cr_assert(!pair.hear(header, body));
  cr_assert_eq(std::get<ResponseReceived>(pair.reports.at(0)).cookie, 77U);
  cr_assert(!pair.link.next_deadline());
  cr_assert_eq(*pair.hear(header, body), Refusal::not_expected, "the same answer again");
}

Test(control_link, executes_once_and_repeats_its_answer) {
  Pair pair;
  cr_assert(!pair.hear_request(10));
  cr_assert(pair.durable);
  cr_assert_eq(pair.preparations, 1);
  cr_assert(!pair.hear_request(10), "still executing: silence");
  cr_assert(pair.sent.empty());
  cr_assert(pair.respond(10));
  cr_assert(!pair.hear_request(10));
  cr_assert_eq(pair.sent.size(), 2U);
  cr_assert_eq(pair.sent[1].header.kind, MessageKind::response);
  cr_assert_eq(pair.reports.size(), 1U);
  cr_assert_eq(pair.counters.requests_executed, 1U);
  cr_assert_eq(pair.counters.requests_repeated, 2U);
  cr_assert_eq(pair.respond(10).error().code, Errc::not_found);
}

Test(control_link, requests_may_overtake_each_other) {
  Pair pair;
  cr_assert(!pair.hear_request(12));
  cr_assert(!pair.hear_request(11));
  cr_assert_eq(pair.counters.requests_executed, 2U);
  cr_assert(!pair.hear_request(200));
  cr_assert(!pair.hear_request(13), "too far below to be known: taken as executed");
  cr_assert_eq(pair.counters.requests_executed, 3U);
}

Test(control_link, a_request_that_was_overtaken_says_so) {
  Pair pair;
  const auto heard = [&](std::uint32_t id, std::uint32_t incarnation = 1) {
    cr_assert(!pair.hear_request(id, Method::policy, incarnation));
    return std::get<RequestReceived>(pair.reports.back()).overtaken;
  };
  cr_assert_not(heard(12));
  cr_assert(heard(11));
  cr_assert_not(heard(13));
  cr_assert_not(heard(1, 2), "the sender restarted");
}

Test(control_link, after_a_restart_nothing_runs_again_and_the_sender_is_told) {
  Pair pair;
  cr_assert(!pair.hear_request(10));
  cr_assert(pair.respond(10));
  Pair restarted;
  restarted.executed = pair.executed;
  cr_assert(!restarted.hear_request(10));
  cr_assert(restarted.reports.empty());
  cr_assert_eq(restarted.sent.at(0).header.status, ControlStatus::busy);
}

Test(control_link, a_new_incarnation_starts_anew_and_an_old_one_is_over) {
  Pair pair;
  cr_assert(!pair.hear_request(10));
  pair.link.peer_restarted();
  cr_assert(!pair.hear_request(3, Method::install, 2));
  cr_assert_eq(pair.counters.requests_executed, 2U);
  cr_assert(pair.executed.has(1, 5, 99), "an older incarnation executes nothing");
  cr_assert_eq(pair.respond(10).error().code, Errc::not_found, "its answer is nobody's");
}

Test(control_link, what_could_not_be_stored_may_come_again) {
  Pair pair;
  const ExecutedIds before = pair.executed;
  cr_assert(!pair.hear_request(10));
  pair.executed = before;
  pair.link.forget_unexecuted(pair.executed);
  cr_assert_eq(pair.respond(10).error().code, Errc::not_found);
  cr_assert(!pair.hear_request(10));
  cr_assert_eq(pair.counters.requests_executed, 2U);
}

Test(control_link, heartbeats_are_not_worth_a_write) {
  Pair pair;
  cr_assert(!pair.hear_request(10, Method::heartbeat));
  cr_assert(!pair.durable);
  cr_assert(changes_state(Method::breach_report));
  cr_assert(!changes_state(Method::attest));
}

Test(control_link, everything_has_a_maximum) {
  Pair pair;
  for (std::size_t i = 0; i < limits::kPendingRequestsPerPeer; ++i) cr_assert(pair.ask(Method::heartbeat));
  cr_assert_eq(pair.ask(Method::heartbeat).error().code, Errc::limit_exceeded);
  Pair large;
  cr_assert_eq(
      large.ask(Method::heartbeat, std::vector<std::uint8_t>(limits::kRequestBodyBytes + 1)).error().code,
      Errc::too_large);
  Pair busy;
  for (std::uint32_t id = 1; id <= limits::kPendingRequestsPerPeer; ++id) cr_assert(!busy.hear_request(id));
  cr_assert_eq(*busy.hear_request(40), Refusal::over_limit);
  cr_assert(busy.respond(1));
  cr_assert(!busy.hear_request(40), "it was not taken as executed");
}

Test(control_link, large_requests_take_turns) {
  Pair pair;
  const std::vector<std::uint8_t> large(kFragmentBytes + 1);
  for (std::size_t i = 0; i < limits::kReassembliesPerPeer + 1; ++i)
    cr_assert(pair.ask(Method::install, large));
  cr_assert_eq(pair.sent.size(), limits::kReassembliesPerPeer);
  cr_assert(pair.ask(Method::heartbeat), "a small one overtakes them");
  cr_assert_eq(pair.sent.size(), limits::kReassembliesPerPeer + 1);
  FragmentHeader answer = pair.sent[0].header;
  answer.kind = MessageKind::response;
  cr_assert(!pair.hear(answer, std::vector<std::uint8_t>{0xa0}));
  const Instant due = *pair.link.next_deadline();
  cr_assert_eq(due.ns, 0, "the next one's turn has come");
  pair.link.tick(due, pair.send, 9, pair.reports);
  cr_assert_eq(pair.sent.size(), limits::kReassembliesPerPeer + 2);
}

Test(control_link, ids_start_at_random_and_rise) {
  Pair first;
  Pair second;
  second.random = testing::SeededRandom(2);
  cr_assert(first.ask(Method::heartbeat));
  cr_assert(first.ask(Method::heartbeat));
  cr_assert(second.ask(Method::heartbeat));
  cr_assert_eq(first.sent[1].header.request_id, first.sent[0].header.request_id + 1);
  cr_assert_neq(first.sent[0].header.request_id, second.sent[0].header.request_id);
}
