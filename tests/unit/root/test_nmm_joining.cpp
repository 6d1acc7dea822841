// daemon/nmm/nmm_joining.cpp: bundles of a Root, as files and over a bus.
#include <criterion/criterion.h>

#include "dbus/sealed_memfd.h"
#include "tests/unit/root/root_net.h"

using namespace akm;
using namespace akm::root;
using namespace akm::root::test;

namespace {

UniqueFd memfd(std::string_view text) {
  return std::move(
      *dbus::make_sealed_memfd("test", {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
}

}  // namespace

Test(nmm_joining, the_hardware_value_is_that_of_the_machine) {
  RootNet net(2, 0);
  const auto identity = net.nmms[0]->nmm->hardware_identity();
  cr_assert_eq(identity->value.size(), 32U);
  cr_assert_eq(identity->sources[0].second, "board-0");
  cr_assert_neq(identity->value, net.nmms[1]->nmm->hardware_identity()->value);
}

Test(nmm_joining, a_direct_bundle_is_taken_once) {
  RootNet net(1, 0);
  const auto content = net.prepare(*net.nmms[0]);
  const auto bytes = protocol::encode_direct_bundle(*content);
  std::optional<Status> first;
  std::optional<Status> second;
  const auto hand = [&](std::optional<Status>& result) {
    net.nmms[0]->nmm->provision_from_memfd(std::move(*dbus::make_sealed_memfd("test", bytes->reveal())),
                                           nmm::test::into(result));
  };
  hand(first);
  hand(second);
  cr_assert(first->has_value());
  cr_assert_not(second->has_value());
  net.run(std::chrono::seconds(3));
  cr_assert_eq(net.nmms[0]->status().root_state, "reached");
}

Test(nmm_joining, what_is_no_bundle_is_refused_and_nothing_changes) {
  RootNet net(1, 0);
  std::optional<Status> result;
  net.nmms[0]->nmm->provision_from_memfd(memfd("not a bundle"), nmm::test::into(result));
  cr_assert_not(result->has_value());
  net.nmms[0]->nmm->provision_from_file("/nowhere/north.akmbundle", memfd("ABCDE-FGHJK-MNPQR-STVWX"),
                                        nmm::test::into(result));
  cr_assert_not(result->has_value());
  net.nmms[0]->nmm->provision_from_file("/nowhere/north.akmbundle", memfd("short"), nmm::test::into(result));
  cr_assert_not(result->has_value());
  cr_assert_eq(net.nmms[0]->status().root_state, "standalone");
}
