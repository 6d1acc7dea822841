#include "daemon/nmm/requests.h"

#include <criterion/criterion.h>

#include <chrono>

using namespace akm;
using namespace akm::nmm;
using protocol::ControlStatus;
using protocol::Method;
using std::chrono::seconds;

namespace {

struct Fixture {
  std::vector<protocol::SendRequest> posted;
  std::vector<Requests::AfterStep> after;
  Instant now{};
  Requests requests{[this](protocol::Event event, Requests::AfterStep then) {
                      posted.push_back(std::move(std::get<protocol::SendRequest>(event)));
                      after.push_back(std::move(then));
                    },
                    [this] { return now; }};
  std::vector<std::string> outcomes;

  void send(protocol::AsrId asr_id = 7) {
    requests.send(asr_id, Method::retire, {1}, seconds(10), now,
                  [this](const Outcome& outcome, Instant) { outcomes.push_back(outcome.why()); });
  }
  void answer(std::size_t which, ControlStatus status) {
    protocol::ResponseReceived response;
    response.cookie = posted[which].cookie;
    response.status = status;
    requests.answered(response, now);
  }
};

}  // namespace

Test(requests, each_has_one_outcome) {
  Fixture f;
  f.send();
  f.send();
  cr_assert_neq(f.posted[0].cookie, f.posted[1].cookie);
  cr_assert_eq(f.requests.under_way(7), 2U);
  f.answer(1, ControlStatus::ok);
  f.answer(1, ControlStatus::ok);
  f.answer(0, ControlStatus::busy);
  cr_assert_eq(f.outcomes.size(), 2U);
  cr_assert_eq(f.outcomes[0], "ok");
  cr_assert_eq(f.outcomes[1], "busy");
  cr_assert_eq(f.requests.under_way(7), 0U);
  cr_assert_not(f.requests.next_deadline().has_value());
}

Test(requests, a_timeout_is_no_answer) {
  Fixture f;
  f.send();
  f.requests.timed_out({7, f.posted[0].cookie, Method::retire}, f.now);
  cr_assert_eq(f.outcomes.size(), 1U);
  cr_assert_eq(f.outcomes[0], "no answer");
}

Test(requests, what_the_engine_refuses_ends_at_once) {
  Fixture f;
  f.send();
  f.after[0](Status{});
  cr_assert(f.outcomes.empty());
  f.after[0](fail(Errc::limit_exceeded));
  cr_assert_eq(f.outcomes.size(), 1U);
}

Test(requests, what_the_engine_forgets_counts_as_lost) {
  Fixture f;
  f.send();
  cr_assert(f.requests.next_deadline() == f.now + seconds(10) + kOutcomeSlack);
  f.requests.deadline_reached(f.now + seconds(10));
  cr_assert(f.outcomes.empty());
  f.requests.deadline_reached(*f.requests.next_deadline());
  cr_assert_eq(f.outcomes.size(), 1U);
  f.answer(0, ControlStatus::ok);
  cr_assert_eq(f.outcomes.size(), 1U);
}

Test(requests, a_handler_may_send_the_next) {
  Fixture f;
  f.requests.send(7, Method::quarantine, {}, seconds(1), f.now, [&f](const Outcome&, Instant) { f.send(8); });
  f.answer(0, ControlStatus::ok);
  cr_assert_eq(f.posted.size(), 2U);
  cr_assert_eq(f.requests.under_way(7), 0U);
  cr_assert_eq(f.requests.under_way(8), 1U);
}

Test(requests, secrets_travel_in_the_secret_body) {
  Fixture f;
  const std::array<std::uint8_t, 3> secret{1, 2, 3};
  f.requests.send_secret(7, Method::install, SecretBuffer::copy_of(secret), seconds(1), f.now,
                         [](const Outcome&, Instant) {});
  cr_assert(f.posted[0].body.empty());
  cr_assert_eq(f.posted[0].secret_body.size(), 3U);
}
