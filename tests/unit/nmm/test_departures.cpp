#include "daemon/nmm/departures.h"

#include <criterion/criterion.h>

#include <chrono>

#include "daemon/protocol/control_body.h"
#include "tests/unit/nmm/requests_fixture.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using protocol::ControlStatus;
using protocol::Method;
using std::chrono::seconds;

namespace {

struct Fixture : RequestsFixture {
  Departures departures{registry, requests};

  Fixture() : RequestsFixture(3) {}
  void leave(protocol::AsrId asr_id, const std::set<protocol::NodeId>& nodes, bool deleted = false) {
    AsrRecord record = asr_record(asr_id, {1, 2});
    record.leaving = nodes;
    record.deleted = deleted;
    cr_assert(registry.put(std::move(record)));
    departures.retire(asr_id, now);
    departures.pump(now);
  }
};

}  // namespace

Test(departures, a_leaving_node_is_told_until_it_answers) {
  Fixture f;
  f.leave(7, {3});
  cr_assert_eq(f.sent.size(), 1U);
  cr_assert(f.sent[0].method == Method::retire);
  cr_assert_eq(f.sent[0].asr_id, 1003U);
  cr_assert_eq(protocol::RetireRequest::decode(f.sent[0].body)->asr_id, 7U);
  f.lose(0);
  f.now = *f.departures.next_deadline();
  f.departures.pump(f.now);
  cr_assert_eq(f.sent.size(), 2U);
  f.answer(1, ControlStatus::unknown_asr);
  cr_assert(f.registry.asr(7)->leaving.empty(), "who does not have it has left");
  f.now = f.now + seconds(3600);
  f.departures.pump(f.now);
  cr_assert_eq(f.sent.size(), 2U);
}

Test(departures, a_deleted_relationship_goes_when_all_have_left) {
  Fixture f;
  f.leave(7, {1, 2}, true);
  bool done = false;
  f.departures.when_gone(7, f.now + seconds(30),
                         [&done](const Status& status) { done = status.has_value(); });
  f.answer(0, ControlStatus::ok);
  cr_assert_not(done);
  cr_assert_not_null(f.registry.asr(7));
  f.answer(1, ControlStatus::ok);
  cr_assert(done);
  cr_assert_null(f.registry.asr(7));
}

Test(departures, the_waiting_caller_hears_who_is_missing) {
  Fixture f;
  f.leave(7, {1, 2}, true);
  std::string detail;
  f.departures.when_gone(7, f.now + seconds(30),
                         [&detail](const Status& status) { detail = status.error().detail; });
  f.answer(0, ControlStatus::ok);
  f.now = f.now + seconds(30);
  f.departures.deadline_reached(f.now);
  cr_assert_neq(detail.find("n2"), std::string::npos);
  cr_assert_eq(detail.find("n1"), std::string::npos);
}

Test(departures, survive_a_restart) {
  Fixture f;
  f.leave(7, {3});
  NodeRecord node = node_record(2, "n2");
  node.quarantine_pending = true;
  cr_assert(f.registry.put(std::move(node)));
  Departures again(f.registry, f.requests);
  again.resume(f.now);
  f.sent.clear();
  again.pump(f.now);
  cr_assert_eq(f.sent.size(), 2U);
}

Test(departures, quarantine_is_over_when_the_node_says_so) {
  Fixture f;
  NodeRecord node = node_record(2, "n2");
  node.quarantine_pending = true;
  cr_assert(f.registry.put(std::move(node)));
  f.departures.quarantine(2, f.now);
  f.departures.pump(f.now);
  cr_assert(f.sent.at(0).method == Method::quarantine);
  cr_assert(f.departures.blocks(2, 7), "it may still reach the node: no install now");
  cr_assert_not(f.departures.blocks(1, 7));
  f.answer(0, ControlStatus::ok);
  cr_assert_not(f.departures.blocks(2, 7));
  cr_assert_not(f.registry.node(2)->quarantine_pending);
}

/// It was retired and not reached, and prepared anew since: what it holds next is wanted.
Test(departures, who_is_prepared_anew_is_not_erased) {
  Fixture f;
  NodeRecord node = node_record(2, "n2");
  node.zeroize_pending = true;
  cr_assert(f.registry.put(node));
  f.departures.zeroize(2, f.now);
  f.departures.pump(f.now);
  cr_assert(f.sent.at(0).method == Method::zeroize);
  f.lose(0);
  node.zeroize_pending = false;
  cr_assert(f.registry.put(node));
  f.now = f.now + seconds(3600);
  f.departures.pump(f.now);
  cr_assert_eq(f.sent.size(), 1U);
  cr_assert_not(f.departures.next_deadline().has_value());
}

Test(departures, who_comes_back_is_not_told_to_leave) {
  Fixture f;
  f.leave(7, {3});
  cr_assert(f.departures.blocks(3, 7));
  f.departures.cancel(3, 7);
  cr_assert(f.departures.blocks(3, 7), "its request is still repeated");
  f.lose(0);
  cr_assert_not(f.departures.blocks(3, 7));
  f.now = f.now + seconds(3600);
  f.departures.pump(f.now);
  cr_assert_eq(f.sent.size(), 1U);
}

Test(departures, a_node_that_never_activated_has_nothing_to_leave) {
  Fixture f;
  NodeRecord node = node_record(3, "n3");
  node.activated_serial = 0;
  cr_assert(f.registry.put(std::move(node)));
  f.leave(7, {3});
  cr_assert(f.sent.empty());
  cr_assert(f.registry.asr(7)->leaving.empty());
}
