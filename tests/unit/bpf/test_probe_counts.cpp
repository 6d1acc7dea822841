#include "bpf/loader/probe_counts.h"

#include <criterion/criterion.h>

#include "bpf/loader/probe_object.h"

using namespace akm;
using namespace akm::bpf;

Test(probe_counts, without_a_map_everything_is_nothing) {
  const ProbeCounts counts(-1);
  cr_assert_eq(counts.of(AKM_WATCH_KEY, AKM_COUNT_MADE), 0u);
  cr_assert_eq(counts.all(AKM_COUNT_MADE), 0u);
  cr_assert_eq(counts.named().at("probe_lost_ring_full"), 0u);
  cr_assert_not(counts.named().contains("probe_made_key"), "a watch that made nothing has no counter");
}

Test(probe_counts, of_a_fresh_object_are_nothing) {
  ProbeChoice choice;
  choice.ring_bytes = choice.critical_ring_bytes = 4096;
  const auto object = ProbeObject::load(choice);
  if (!object) cr_skip_test("%s", object.error().message().c_str());
  const ProbeCounts counts((*object)->map_fd("counts"));
  for (const auto& [name, number] : counts.named()) cr_assert_eq(number, 0u);
}
