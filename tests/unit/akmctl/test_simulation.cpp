#include "tools/akmctl/simulation.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::ctl;
using policy::DetectionClass;

namespace {

IncidentRecord record(DetectionClass detection, std::int64_t second, const std::string& node = "a") {
  IncidentRecord out;
  out.detection.detection = detection;
  out.detection.boottime_ns = second * 1'000'000'000;
  out.node = node;
  return out;
}

std::vector<SimulatedStep> with_default(const std::vector<IncidentRecord>& records, std::size_t members = 5) {
  return simulate(records, policy::default_node_policy(), {}, members);
}

}  // namespace

Test(simulation, a_breach_would_have_cost_the_node_its_place) {
  const std::vector records{record(DetectionClass::key_access, 1), record(DetectionClass::key_access, 2)};
  const auto steps = with_default(records);
  cr_assert_eq(steps.size(), 2);
  cr_assert_eq(steps[0].verdict, "evict");
  cr_assert_eq(steps[1].verdict, "log");
  cr_assert_eq(steps[1].why, "the node is quarantined already");
}

Test(simulation, the_floor_holds_for_many_nodes) {
  std::vector<IncidentRecord> records;
  for (const char* node : {"a", "b", "c", "d"})
    records.push_back(record(DetectionClass::key_access, 1, node));
  policy::AdjudicationPolicy floor_of_three;
  floor_of_three.quorum_floor = 3;
  auto steps = simulate(records, policy::default_node_policy(), floor_of_three, 5);
  cr_assert_eq(steps[1].verdict, "evict");
  cr_assert_eq(steps[2].verdict, "rekey", "three remain");
  steps = with_default(records, 4);
  cr_assert_eq(steps[2].verdict, "evict", "of a pair nothing is left");
  cr_assert_eq(steps[3].verdict, "log", "and that is its end");
}

Test(simulation, combinations_are_of_one_node) {
  const std::vector apart{record(DetectionClass::module_load, 1, "a"),
                          record(DetectionClass::sensor_tampering, 2, "b")};
  cr_assert_eq(with_default(apart).size(), 2);
  const std::vector together{record(DetectionClass::module_load, 1),
                             record(DetectionClass::sensor_tampering, 2)};
  const auto steps = with_default(together);
  cr_assert_eq(steps.size(), 3);
  cr_assert(steps[2].record == nullptr);
  cr_assert_eq(steps[2].judged.detection.detection, DetectionClass::combined_evidence);
}

Test(simulation, forged_frames_do_nothing) {
  std::vector<IncidentRecord> records;
  for (int i = 0; i < 100; ++i) records.push_back(record(DetectionClass::forged_frames, i));
  for (const SimulatedStep& step : with_default(records)) cr_assert_eq(step.verdict, "");
}
