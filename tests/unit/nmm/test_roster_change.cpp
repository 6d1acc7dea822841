#include "daemon/nmm/roster_change.h"

#include <criterion/criterion.h>

#include "tests/unit/nmm/memory_store.h"
#include "tests/unit/nmm/records.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;

Test(roster_change, a_new_relationship_numbers_its_members) {
  const NodeRecord a = node_record(11, "a");
  const NodeRecord b = node_record(12, "b");
  const std::array<const NodeRecord*, 2> nodes{&a, &b};
  const auto made = new_description(5, "x", nodes, {});
  cr_assert(made.has_value());
  cr_assert_eq(made->roster[0].index, 0);
  cr_assert_eq(made->roster[1].index, 1);
  cr_assert_eq(made->roster[1].node_id, 12U);
  cr_assert(made->roster[1].endpoints == b.endpoints);
  cr_assert(made->check().has_value());
}

Test(roster_change, one_or_double_nodes_are_refused) {
  const NodeRecord a = node_record(11, "a");
  const std::array<const NodeRecord*, 1> one{&a};
  const std::array<const NodeRecord*, 2> twice{&a, &a};
  cr_assert(new_description(5, "x", one, {}).error().code == Errc::invalid_argument);
  cr_assert(new_description(5, "x", twice, {}).error().code == Errc::invalid_argument);
  const NodeRecord b = node_record(12, "b");
  const std::array<const NodeRecord*, 2> both{&a, &b};
  cr_assert_not(new_description(5, "", both, {}).has_value(), "a label is needed");
  cr_assert_not(new_description(0, "x", both, {}).has_value(), "an id is needed");
}

Test(roster_change, indexes_stay_and_the_lowest_free_one_is_taken) {
  auto description = asr_record(5, {11, 12, 13}).description;
  auto without = without_member(description, 12);
  cr_assert(without.has_value());
  cr_assert_eq(without->roster[1].index, 2);
  const auto with = with_member(*without, node_record(14, "d"));
  cr_assert(with.has_value());
  cr_assert_eq(with->member_by_node(14)->index, 1);
  cr_assert_eq(with->member_by_node(13)->index, 2);
  cr_assert(with->check().has_value(), "rising indexes");
  const auto more = with_member(*with, node_record(15, "e"));
  cr_assert_eq(more->member_by_node(15)->index, 3);
}

Test(roster_change, who_is_there_cannot_come_and_who_is_not_cannot_go) {
  const auto description = asr_record(5, {11, 12}).description;
  cr_assert(with_member(description, node_record(11, "a")).error().code == Errc::already_exists);
  cr_assert(without_member(description, 99).error().code == Errc::not_found);
}

Test(roster_change, endpoints_are_the_declared_ones_else_where_it_was_heard) {
  NodeRecord node = node_record(11, "a");
  node.peer = "198.51.100.9:1";
  cr_assert(member_of(node, 0).endpoints == node.endpoints);
  node.endpoints.clear();
  cr_assert(member_of(node, 0).endpoints == (std::vector<std::string>{"198.51.100.9:1"}));
  node.peer.clear();
  cr_assert(member_of(node, 0).endpoints.empty());
}

Test(roster_change, refreshing_takes_names_and_endpoints_from_the_registry) {
  MemoryStore store;
  Registry registry(store);
  cr_assert(registry.put(node_record(11, "renamed")));
  auto description = asr_record(5, {11, 12}).description;
  const auto before = description.roster_hash();
  refresh_members(description, registry);
  cr_assert_eq(description.roster[0].name, "renamed");
  cr_assert_eq(description.roster[1].name, "n12");
  cr_assert(description.roster_hash() == before, "no new key for a new name");
}
