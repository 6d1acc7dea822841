#include "dbus/call.h"

#include <criterion/criterion.h>

#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

namespace {

// Calls Activate, lets `role` act once the call waits in the role, and gives the error name of the answer.
std::string answer_of(NodeService& service, const std::function<void()>& role) {
  service.port.deferred.on = true;
  TestClient client(service.daemon.address());
  std::vector<Pumped> servers = service.servers();
  servers.push_back({[] { return -1; }, [] { return short{0}; },
                     [&] {
                       if (!service.port.deferred.waiting.empty()) role();
                     }});
  return client.call_akm(servers, "Node1", "Activate").error;
}

}  // namespace

Test(call, a_held_call_is_answered_later) {
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here");
  NodeService service;
  const std::string error = answer_of(service, [&] {
    service.port.deferred.waiting[0](fail(Errc::busy));
    service.port.deferred.waiting.clear();
  });
  cr_assert_eq(error, "org.akm.Error.Busy");
}

Test(call, one_that_the_role_drops_is_answered_all_the_same) {
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here");
  NodeService service;
  cr_assert_eq(answer_of(service, [&] { service.port.deferred.waiting.clear(); }), "org.akm.Error.Internal");
}

Test(call, hostile_details_do_not_break_the_error) {
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here");
  NodeService service;
  const std::string error = answer_of(service, [&] {
    service.port.deferred.waiting[0](fail(Errc::not_found, "\xff\xfe\x1b" + std::string(100'000, 'x')));
    service.port.deferred.waiting.clear();
  });
  cr_assert_eq(error, "org.akm.Error.NotFound");
}
