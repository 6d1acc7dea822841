#include "daemon/nmm/report_log.h"

#include <criterion/criterion.h>

#include "daemon/protocol/limits.h"
#include "tests/unit/nmm/memory_store.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;

namespace {

NodeRecord node(protocol::NodeId id) {
  NodeRecord out;
  out.node_id = id;
  out.name = "n" + std::to_string(id);
  out.provisioning_asr = 10'000 + id;
  out.serial = 1;
  return out;
}

AsrRecord asr(protocol::AsrId id, std::size_t members) {
  AsrRecord out;
  out.description.id = id;
  out.description.label = "asr-" + std::to_string(id);
  for (std::size_t i = 0; i < members; ++i)
    out.description.roster.push_back(
        {static_cast<std::uint16_t>(i), UINT64_MAX - i, protocol::Role::node, "n", {}});
  return out;
}

EventRecord incident(std::string_view name) {
  EventRecord out;
  out.name = name;
  out.severity = 3;
  out.fields = {{"node_id", "0000000000000007"}};
  return out;
}

struct Fixture {
  MemoryStore store;
  Registry registry{store};
  ReportLog log{store, registry};
};

}  // namespace

Test(report_log, each_thing_is_reported_in_its_newest_state_by_rising_change) {
  Fixture f;
  cr_assert(f.registry.put(node(1)));
  cr_assert(f.registry.put(node(2)));
  NodeRecord changed = *f.registry.node(1);
  changed.serial = 5;
  cr_assert(f.registry.put(changed));
  const auto report = f.log.next(0);
  cr_assert_eq(report.nodes.size(), 2U);
  cr_assert_eq(report.nodes[0].id, 2U);
  cr_assert_eq(report.nodes[1].newest.serial, 5U);
  cr_assert_eq(report.upto, 3U);
  cr_assert_eq(report.last, 3U);
  cr_assert(f.log.behind(2));
  cr_assert_not(f.log.behind(3));
  cr_assert_eq(f.log.next(3).nodes.size(), 0U);
}

Test(report_log, what_is_removed_is_reported_until_it_was_heard_also_after_a_restart) {
  Fixture f;
  cr_assert(f.registry.put(asr(9, 2)));
  cr_assert(f.registry.remove_asr(9));
  cr_assert_eq(f.log.next(0).gone.size(), 0U, "one that stands alone has nobody to tell");
  f.registry.mark_removals();
  cr_assert(f.registry.put(asr(8, 2)));
  cr_assert(f.registry.remove_asr(8));
  Registry again(f.store);
  cr_assert(again.load());
  ReportLog log(f.store, again);
  log.load();
  const auto report = log.next(0);
  cr_assert_eq(report.gone.size(), 1U);
  cr_assert_eq(report.gone[0].second, 8U);
  cr_assert_eq(report.upto, report.gone[0].first);
  log.acknowledged(report.upto);
  cr_assert(again.gone().empty());
  Registry third(f.store);
  cr_assert(third.load());
  cr_assert(third.gone().empty());
}

Test(report_log, a_body_is_never_too_large_and_all_of_it_comes_through) {
  Fixture f;
  for (protocol::NodeId id = 1; id <= 900; ++id) cr_assert(f.registry.put(node(id)));
  for (protocol::AsrId id = 1; id <= 3; ++id) cr_assert(f.registry.put(asr(id, 3000)));
  std::uint64_t acked = 0;
  std::size_t nodes = 0;
  std::size_t asrs = 0;
  int reports = 0;
  while (f.log.behind(acked) && ++reports < 100) {
    const auto report = f.log.next(acked);
    cr_assert_leq(report.encode().size(), protocol::limits::kRequestBodyBytes);
    cr_assert_gt(report.upto, acked, "each report goes on");
    nodes += report.nodes.size();
    asrs += report.asrs.size();
    acked = report.upto;
  }
  cr_assert_eq(nodes, 900U);
  cr_assert_eq(asrs, 3U);
}

Test(report_log, incidents_are_kept_and_the_oldest_go) {
  Fixture f;
  EventRecord small;
  small.name = "news";
  small.severity = 6;
  f.log.note(small);
  cr_assert_not(f.log.behind(0), "not every event is an incident");
  for (std::size_t i = 0; i < kIncidentsKept + 3; ++i) f.log.note(incident("e" + std::to_string(i)));
  Registry again(f.store);
  cr_assert(again.load());
  ReportLog log(f.store, again);
  log.load();
  const auto report = log.next(0);
  cr_assert_eq(report.incidents.size(), kIncidentsKept);
  cr_assert_str_eq(report.incidents[0].name.c_str(), "e3");
  cr_assert_eq(report.incidents[0].node_id, 7U);
  cr_assert_eq(report.lost, 3U);
  log.acknowledged(report.upto);
  cr_assert_eq(log.next(0).incidents.size(), 0U);
  cr_assert_eq(log.next(0).lost, 0U);
}

Test(report_log, facts_are_bounded_and_stay_text) {
  Fixture f;
  EventRecord event = incident("long");
  event.fields = {};
  for (int i = 0; i < 40; ++i)
    event.fields["f" + std::to_string(i)] = std::string(255, 'a') + "\xc3\xa4\xc3\xa4";
  f.log.note(event);
  const auto report = f.log.next(0);
  cr_assert_eq(report.incidents[0].facts.size(), protocol::kFactPairs);
  cr_assert(*protocol::ReportRequest::decode(report.encode()) == report);
}

Test(report_log, incidents_of_no_use_are_left_out) {
  Fixture f;
  f.store.records["nmm-incidents"] = {0xa1, 0xff};
  f.log.load();
  cr_assert_eq(f.log.pending(0), 0U);
}
