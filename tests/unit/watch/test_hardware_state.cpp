#include "daemon/watch/hardware_state.h"

#include <criterion/criterion.h>

#include "tests/support/memory_store.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Heard;
using policy::DetectionClass;
using policy::Grade;

namespace {

std::size_t looked(test::MemoryStore& store, const std::vector<keyring::HardwareSources>& looks,
                   Heard& heard) {
  WatchMemory memory(&store);
  Judge judge = judge_hardware(memory);
  Baseline baseline;
  for (const auto& sources : looks) {
    const Facts facts = hardware_facts(sources);
    std::vector<Change> changes = baseline.compare(facts);
    judge({std::move(changes), facts, baseline}, Instant{1}, heard.tell());
  }
  return heard.all.size();
}

}  // namespace

Test(hardware_state, another_endorsement_key_is_critical_and_names_its_source_only) {
  test::MemoryStore store;
  Heard heard;
  cr_assert_eq(looked(store, {{{"tpm-ek-name", "secret-serial"}}, {{"tpm-ek-name", "other"}}}, heard), 1);
  cr_assert_eq(heard.last_class(), DetectionClass::identity_changed);
  cr_assert_eq(heard.last_grade(), Grade::critical);
  cr_assert_eq(heard.last("what"), "tpm-ek-name");
  cr_assert_eq(heard.last("before").find("secret-serial"), std::string::npos);
}

Test(hardware_state, other_sources_and_a_tpm_that_is_gone_are_evidence) {
  test::MemoryStore store;
  Heard heard;
  cr_assert_eq(looked(store,
                      {{{"tpm-ek-name", "a"}, {"nic-permanent-mac", "02:00:00:00:00:01"}},
                       {{"nic-permanent-mac", "02:00:00:00:00:02"}}},
                      heard),
               2);
  for (const auto& one : heard.all) cr_assert_eq(one.detection, DetectionClass::hardware_changed);
}

Test(hardware_state, a_change_while_the_machine_was_off_is_evidence_once) {
  test::MemoryStore store;
  Heard heard;
  cr_assert_eq(looked(store, {{{"tpm-ek-name", "a"}}}, heard), 0);
  cr_assert_eq(looked(store, {{{"tpm-ek-name", "a"}}}, heard), 0);
  cr_assert_eq(looked(store, {{{"tpm-ek-name", "b"}}}, heard), 1);
  cr_assert_eq(heard.last_grade(), Grade::evidence);
  cr_assert_eq(looked(store, {{{"tpm-ek-name", "b"}}}, heard), 1);
}
