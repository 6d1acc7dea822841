#include "dbus/policy_adaptor.h"

#include <criterion/criterion.h>

#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

namespace {

#define NEED_ROOT() \
  if (!may_call()) cr_skip("methods need uid 0")

std::string error_of(PolicyBench& service, const char* member,
                     const std::function<void(sd_bus_message*)>& arguments) {
  TestClient client(service.daemon.address());
  return client
      .call(service.servers(), dbus::kNodeName, dbus::kNodePath, dbus::kPolicyName, member, arguments)
      .error;
}

}  // namespace

Test(policy_adaptor, what_is_asked_reaches_the_role) {
  NEED_ROOT();
  PolicyBench service;
  const auto start = [](sd_bus_message* m) { (void)sd_bus_message_append(m, "sus", "", 60U, "an update"); };
  cr_assert_eq(error_of(service, "StartMaintenance", start), "");
  cr_assert_eq(service.port.calls.at(0), "start_maintenance  60");
  const auto scope = [](sd_bus_message* m) { (void)sd_bus_message_append(m, "s", ""); };
  cr_assert_eq(error_of(service, "StopMaintenance", scope), "");
  cr_assert_eq(error_of(service, "StopMaintenance", scope), "org.akm.Error.NotFound");
  cr_assert_eq(error_of(service, "GetPolicy", scope), "");
  cr_assert_eq(error_of(service, "GetPolicy",
                        [](sd_bus_message* m) { (void)sd_bus_message_append(m, "s", "nowhere"); }),
               "org.akm.Error.NotFound");
}

Test(policy_adaptor, a_text_has_lines_and_a_maximum) {
  NEED_ROOT();
  PolicyBench service;
  const auto set = [&](std::size_t size) {
    return error_of(service, "SetPolicy", [&](sd_bus_message* m) {
      (void)sd_bus_message_append(m, "s", "domain");
      (void)sd_bus_message_append_array(m, 'y', std::string(size, '\n').data(), size);
    });
  };
  cr_assert_eq(set(100), "");
  cr_assert_eq(service.port.text.size(), 100);
  cr_assert_neq(set((std::size_t{64} << 10) + 1), "");
  cr_assert_eq(service.port.text.size(), 100);
}

Test(policy_adaptor, without_a_state_there_is_no_policy) {
  NEED_ROOT();
  PolicyBench service;
  service.open = false;
  const auto scope = [](sd_bus_message* m) { (void)sd_bus_message_append(m, "s", ""); };
  cr_assert_eq(error_of(service, "GetPolicy", scope), "org.akm.Error.SealedUnavailable");
  cr_assert_eq(error_of(service, "StopMaintenance", scope), "org.akm.Error.SealedUnavailable");
  cr_assert_eq(error_of(service, "ListMaintenance", {}), "org.akm.Error.SealedUnavailable");
}
