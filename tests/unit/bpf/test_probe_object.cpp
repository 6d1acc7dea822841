#include "bpf/loader/probe_object.h"

#include <criterion/criterion.h>
#include <unistd.h>

using namespace akm;
using namespace akm::bpf;

Test(probe_object, loads_and_attaches_what_the_kernel_takes) {
  const auto identity = self_identity();
  cr_assert(identity.has_value());
  auto object = ProbeObject::load(*identity, 4096);
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
}

Test(probe_object, without_privilege_says_why) {
  if (::getuid() != 0) cr_skip_test("needs root to give it up");
  const auto identity = self_identity();
  cr_assert_eq(::setuid(65534), 0);
  const auto object = ProbeObject::load(*identity, 4096);
  cr_assert_not(object.has_value());
  cr_assert_eq(object.error().code, Errc::probe_failed);
  cr_assert_not(object.error().detail.empty());
}
