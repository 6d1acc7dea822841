#include "bpf/loader/self_test.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::bpf;

Test(self_test, a_group_is_proven_by_a_record_of_its_own_tier) {
  ProbeChoice choice;
  choice.ring_bytes = choice.critical_ring_bytes = 4096;
  for (const Variant& variant : variants()) {
    if (variant.tier != Tier::tracepoint) choice.refused[{variant.group, variant.tier}] = "not in this test";
  }
  const auto object = ProbeObject::load(choice);
  if (!object) cr_skip_test("%s", object.error().message().c_str());
  SelfTest test(**object, {});
  ProbeRecord record;
  record.watch = Watch::state;
  record.source = "lsm";
  record.operation = "unlink";
  test.seen(record);
  cr_assert_not(test.proven(Group::folders), "a record of another tier proves nothing");
  record.source = "tracepoint";
  test.seen(record);
  cr_assert(test.proven(Group::folders));
  cr_assert_not(test.proven(Group::mounts), "nor one of another operation");
  record.operation = "mount";
  test.seen(record);
  cr_assert(test.proven(Group::mounts));
  cr_assert_not(test.proven(Group::keys));
  cr_assert(test.proven(Group::io_uring), "what cannot be provoked is taken at its word");
}
