#include "daemon/node/nmm_link.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::node;
using protocol::ControlStatus;

namespace {

struct Bench {
  std::vector<protocol::SendRequest> posted;
  std::vector<std::move_only_function<void(const Status&)>> afters;
  std::vector<Result<NmmLink::Answer>> outcomes;
  NmmLink link{[this](protocol::Event event, std::move_only_function<void(const Status&)> after) {
    posted.push_back(std::move(std::get<protocol::SendRequest>(event)));
    afters.push_back(std::move(after));
  }};
  void send() {
    link.send(protocol::Method::heartbeat, {1}, Duration{5},
              [this](Result<NmmLink::Answer> outcome) { outcomes.push_back(std::move(outcome)); });
  }
};

}  // namespace

Test(nmm_link, an_answer_reaches_its_handler_once) {
  Bench bench;
  bench.link.use(7);
  bench.send();
  bench.send();
  cr_assert_eq(bench.posted.at(1).asr_id, 7);
  cr_assert_neq(bench.posted[0].cookie, bench.posted[1].cookie);
  protocol::ResponseReceived response{
      7, bench.posted[1].cookie, protocol::Method::heartbeat, ControlStatus::busy, {2}};
  bench.link.answered(response);
  bench.link.answered(response);
  cr_assert_eq(bench.outcomes.size(), 1);
  cr_assert_eq(bench.outcomes[0]->status, ControlStatus::busy);
  cr_assert_eq(bench.link.under_way(), 1);
}

Test(nmm_link, an_answer_under_another_relationship_is_none) {
  Bench bench;
  bench.link.use(7);
  bench.send();
  protocol::ResponseReceived response{
      8, bench.posted[0].cookie, protocol::Method::heartbeat, ControlStatus::ok, {}};
  bench.link.answered(response);
  cr_assert(bench.outcomes.empty());
}

Test(nmm_link, timeouts_refusals_and_the_end_are_outcomes) {
  Bench bench;
  bench.link.use(7);
  bench.send();
  bench.link.timed_out({7, bench.posted[0].cookie, protocol::Method::heartbeat});
  cr_assert_eq(bench.outcomes.at(0).error().code, Errc::timed_out);
  bench.send();
  bench.afters[1](fail(Errc::limit_exceeded));
  cr_assert_eq(bench.outcomes.at(1).error().code, Errc::limit_exceeded);
  bench.send();
  bench.afters[2]({});
  cr_assert_eq(bench.outcomes.size(), 2);
  bench.link.abandon();
  cr_assert_eq(bench.outcomes.at(2).error().code, Errc::wrong_state);
}

Test(nmm_link, there_are_limits) {
  Bench bench;
  bench.send();
  cr_assert_eq(bench.outcomes.at(0).error().code, Errc::not_provisioned);
  bench.link.use(7);
  for (std::size_t i = 0; i < kRequestsUnderWay; ++i) bench.send();
  cr_assert_eq(bench.outcomes.size(), 1);
  bench.send();
  cr_assert_eq(bench.outcomes.at(1).error().code, Errc::busy);
}

Test(nmm_link, pauses_double_up_to_a_maximum) {
  Backoff backoff(Duration{1}, Duration{3});
  cr_assert_eq(backoff.next().count(), 1);
  cr_assert_eq(backoff.next().count(), 2);
  cr_assert_eq(backoff.next().count(), 3);
  backoff.reset();
  cr_assert_eq(backoff.next().count(), 1);
}

Test(nmm_link, statuses_and_errors_correspond) {
  cr_assert(status_of(ControlStatus::ok).has_value());
  cr_assert_eq(status_of(ControlStatus::hardware_mismatch).error().code, Errc::hardware_mismatch);
  cr_assert_not(status_of(static_cast<ControlStatus>(999)).has_value());
  cr_assert_eq(control_status_of({Errc::not_found, ""}), ControlStatus::unknown_asr);
  cr_assert_eq(control_status_of({Errc::disk_full, ""}), ControlStatus::storage_failed);
  cr_assert_eq(control_status_of({Errc::crypto_failed, ""}), ControlStatus::refused_by_policy);
}
