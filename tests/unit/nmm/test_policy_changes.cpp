#include "daemon/nmm/policy_changes.h"

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
  PolicyChanges changes{registry, requests};

  Fixture() : RequestsFixture(2) {}
  void change(std::uint32_t rekey_interval_s) {
    AsrRecord record = asr_record(7, {1, 2});
    record.description.policy.rekey_interval_s = rekey_interval_s;
    record.policy_pending = {1, 2};
    cr_assert(registry.put(std::move(record)));
    changes.tell(7, now);
    changes.pump(now);
  }
  [[nodiscard]] std::uint32_t told(std::size_t which) const {
    return protocol::PolicyUpdate::decode(sent.at(which).body)->policy.rekey_interval_s;
  }
  void go_on() {
    now = *changes.next_deadline();
    changes.deadline_reached(now);
    changes.pump(now);
  }
};

}  // namespace

Test(policy_changes, each_member_is_told_until_it_has_answered) {
  Fixture f;
  f.change(60);
  cr_assert_eq(f.sent.size(), 2U);
  cr_assert(f.sent[0].method == Method::policy);
  cr_assert_eq(protocol::PolicyUpdate::decode(f.sent[0].body)->asr_id, 7U);
  cr_assert_eq(f.told(0), 60U);
  bool done = false;
  f.changes.when_told(7, f.now + seconds(3600), [&done](const Status& s) { done = s.has_value(); });
  f.answer(0, ControlStatus::ok);
  f.lose(1);
  f.go_on();
  cr_assert_eq(f.sent.size(), 3U);
  f.answer(2, ControlStatus::storage_failed);
  cr_assert(!done);
  cr_assert(!f.registry.asr(7)->policy_pending.empty());
  f.go_on();
  f.answer(3, ControlStatus::ok);
  cr_assert(done);
  cr_assert(f.registry.asr(7)->policy_pending.empty());
  cr_assert(!f.changes.next_deadline());
}

Test(policy_changes, an_answer_to_an_older_policy_does_not_count_for_the_newer_one) {
  Fixture f;
  f.change(60);
  f.change(90);
  cr_assert_eq(f.sent.size(), 2U, "both are under way with the older one");
  f.answer(0, ControlStatus::ok);
  f.answer(1, ControlStatus::ok);
  cr_assert(!f.registry.asr(7)->policy_pending.empty());
  f.go_on();
  cr_assert_eq(f.sent.size(), 4U);
  cr_assert_eq(f.told(2), 90U);
  f.answer(2, ControlStatus::ok);
  f.answer(3, ControlStatus::unknown_asr);  // it gets the policy with the generation
  cr_assert(f.registry.asr(7)->policy_pending.empty());
}

Test(policy_changes, the_waiting_caller_hears_who_is_missing) {
  Fixture f;
  f.change(60);
  std::string detail;
  f.changes.when_told(7, f.now + seconds(5), [&detail](const Status& s) { detail = s.error().detail; });
  f.answer(0, ControlStatus::ok);
  f.now = f.now + seconds(5);
  f.changes.deadline_reached(f.now);
  cr_assert_neq(detail.find("n2"), std::string::npos);
  cr_assert_eq(detail.find("n1"), std::string::npos);
}

Test(policy_changes, survive_a_restart_and_end_with_the_relationship) {
  Fixture f;
  f.change(60);
  Registry read(f.store);
  cr_assert(read.load()->empty());
  cr_assert_eq(read.asr(7)->policy_pending.size(), 2U);
  PolicyChanges again(read, f.requests);
  again.resume(f.now);
  f.sent.clear();
  again.pump(f.now);
  cr_assert_eq(f.sent.size(), 2U);
  AsrRecord gone = *read.asr(7);
  gone.deleted = true;
  gone.description.roster.clear();
  cr_assert(read.put(std::move(gone)));
  f.lose(0);
  f.lose(1);
  again.pump(f.now + seconds(3600));
  cr_assert_eq(f.sent.size(), 2U, "nobody is told of a relationship that is deleted");
  cr_assert(!again.next_deadline());
}
