#include "bpf/loader/probe_object.h"

#include <criterion/criterion.h>
#include <unistd.h>

using namespace akm;
using namespace akm::bpf;

namespace {

Result<std::unique_ptr<ProbeObject>> load(ProbeChoice choice = {}) {
  choice.ring_bytes = choice.critical_ring_bytes = 4096;
  return ProbeObject::load(choice);
}

}  // namespace

Test(probe_object, loads_and_attaches_what_the_kernel_takes) {
  auto object = load();
  if (!object) cr_skip_test("%s", object.error().message().c_str());
  cr_assert_eq((*object)->links(), 0u);
  cr_assert_geq((*object)->map_fd("ring"), 0);
  cr_assert_lt((*object)->map_fd("no_such_map"), 0);
  const Status attached = (*object)->attach();
  if (!attached) cr_skip_test("%s", attached.error().message().c_str());
  cr_assert_gt((*object)->links(), 0u);
  cr_assert_eq((*object)->links(), (*object)->live_links());
  for (const Group group : kGroups) {
    const GroupState& state = (*object)->state(group);
    cr_assert(state.attached ? state.tier != "none" : !state.reason.empty());
  }
  cr_assert((*object)->take_gone_links().empty());
  cr_assert_gt((*object)->object_ids().size(), 2 * (*object)->links());
}

Test(probe_object, what_is_refused_falls_to_the_next_variant_with_its_reason) {
  ProbeChoice choice;
  for (const Variant& variant : variants()) {
    if (variant.tier != Tier::tracepoint)
      choice.refused[{variant.group, variant.tier}] = "refused by the test";
  }
  auto object = load(choice);
  if (!object) cr_skip_test("%s", object.error().message().c_str());
  cr_assert((*object)->tier(Group::keys) == Tier::tracepoint);
  cr_assert_eq((*object)->state(Group::keys).better, "refused by the test");
  cr_assert((*object)->state(Group::io_uring).better.empty());
  (*object)->not_proven(Group::keys);
  cr_assert_not((*object)->state(Group::keys).attached);
  cr_assert_not((*object)->state(Group::keys).reason.empty());
}

Test(probe_object, the_next_worse_tier_of_a_group) {
  cr_assert(worse_tier(Group::keys, Tier::lsm) == Tier::fentry);
  cr_assert(worse_tier(Group::keys, Tier::fentry) == Tier::tracepoint);
  cr_assert_not(worse_tier(Group::keys, Tier::tracepoint).has_value());
}

Test(probe_object, without_privilege_says_why) {
  if (::getuid() != 0) cr_skip_test("needs root to give it up");
  cr_assert_eq(::setuid(65534), 0);
  const auto object = load();
  cr_assert_not(object.has_value());
  cr_assert_eq(object.error().code, Errc::probe_failed);
  cr_assert_not(object.error().detail.empty());
}
