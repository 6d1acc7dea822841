#include "daemon/nmm/expectations.h"

#include <criterion/criterion.h>

#include "tests/support/memory_store.h"

using namespace akm;
using namespace akm::nmm;
using protocol::ConfigureRequest;

namespace {

struct Fixture {
  akm::test::MemoryStore store;
  std::vector<protocol::AsrId> set;
  std::vector<protocol::AsrId> refused;
  Status answer;
  Expectations expectations{store,
                            [this](protocol::AsrId asr_id, const protocol::PolicyText&, Done done) {
                              set.push_back(asr_id);
                              done(answer);
                            },
                            [this](protocol::AsrId asr_id, const Error&) { refused.push_back(asr_id); }};

  /// As after a restart.
  std::vector<protocol::ExpectedNode> stored() {
    Expectations again(store, {}, {});
    cr_assert(again.load().has_value());
    return again.nodes();
  }
};

ConfigureRequest part(std::uint32_t number, bool more, std::vector<protocol::ExpectedNode> nodes,
                      std::vector<std::pair<protocol::AsrId, protocol::PolicyText>> policies = {}) {
  return {more, number, std::move(nodes), std::move(policies)};
}

}  // namespace

Test(expectations, all_parts_make_the_list_and_outlive_a_restart) {
  Fixture f;
  cr_assert(f.expectations.take(part(0, true, {{1, "a", {"192.0.2.1:1"}}})).has_value());
  cr_assert(f.expectations.nodes().empty(), "not all is here");
  cr_assert(f.expectations.take(part(1, false, {{2, "b", {}}})).has_value());
  cr_assert_eq(f.expectations.nodes().size(), 2U);
  cr_assert_eq(f.expectations.node("a")->id, 1U);
  cr_assert_null(f.expectations.node("c"));
  cr_assert(f.stored() == f.expectations.nodes());
  cr_assert(f.expectations.take(part(0, false, {})).has_value());
  cr_assert(f.expectations.nodes().empty() && f.stored().empty(), "the shorter list is the whole list");
}

Test(expectations, a_part_that_is_not_due_is_refused) {
  Fixture f;
  cr_assert_eq(f.expectations.take(part(1, false, {})).error().code, Errc::busy);
  cr_assert(f.expectations.take(part(0, true, {{1, "a", {}}})).has_value());
  cr_assert(f.expectations.take(part(0, true, {{2, "b", {}}})).has_value(), "the Root begins anew");
  cr_assert_eq(f.expectations.take(part(2, false, {})).error().code, Errc::busy);
  cr_assert(f.expectations.take(part(1, false, {})).has_value());
  cr_assert_eq(f.expectations.nodes().size(), 1U);
  cr_assert_eq(f.expectations.nodes()[0].name, "b");
}

Test(expectations, what_cannot_be_stored_is_not_taken) {
  Fixture f;
  f.store.fail_writes = true;
  cr_assert(!f.expectations.take(part(0, false, {{1, "a", {}}}, {{7, {{"quorum", "all"}}}})));
  cr_assert(f.expectations.nodes().empty());
  cr_assert(f.set.empty());
}

Test(expectations, a_policy_that_does_not_hold_is_said) {
  Fixture f;
  const std::vector<std::pair<protocol::AsrId, protocol::PolicyText>> policies{{7, {{"quorum", "all"}}}};
  cr_assert(f.expectations.take(part(0, false, {}, policies)).has_value());
  for (const Errc harmless : {Errc::timed_out, Errc::not_found}) {
    f.answer = fail(harmless);
    cr_assert(f.expectations.take(part(0, false, {}, policies)).has_value());
  }
  cr_assert(f.refused.empty());
  f.answer = fail(Errc::invalid_argument);
  cr_assert(f.expectations.take(part(0, false, {}, policies)).has_value(), "it would be said for ever");
  cr_assert_eq(f.refused.size(), 1U);
  cr_assert_eq(f.set.size(), 4U);
}

Test(expectations, a_policy_that_cannot_be_stored_is_told_again) {
  Fixture f;
  f.answer = fail(Errc::disk_full);
  const auto one = part(0, false, {{1, "a", {}}}, {{7, {{"quorum", "all"}}}});
  cr_assert_eq(f.expectations.take(one).error().code, Errc::disk_full);
  cr_assert(f.refused.empty(), "it holds, and is not said to be refused");
  f.answer = {};
  cr_assert(f.expectations.take(one).has_value());
  cr_assert_eq(f.set.size(), 2U);
}

Test(expectations, a_damaged_record_expects_nothing) {
  Fixture f;
  cr_assert(f.expectations.take(part(0, false, {{1, "a", {}}})).has_value());
  f.store.records["nmm-expected-0"] = {1, 2, 3};
  Expectations again(f.store, {}, {});
  cr_assert_eq(again.load().error().code, Errc::state_corrupt);
  cr_assert(again.nodes().empty());
}
