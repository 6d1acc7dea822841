// The client side of org.akm.Policy1 against its adaptor.
#include <criterion/criterion.h>

#include <atomic>
#include <thread>

#include "dbus/proxy.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

Test(policy_proxy, what_is_asked_and_answered_comes_through_whole) {
  if (!may_call()) cr_skip("methods need uid 0");
  PolicyBench service;
  Result<std::map<std::string, std::string>> facts = fail(Errc::internal);
  Result<std::vector<MaintenanceFacts>> windows = fail(Errc::internal);
  Status set = fail(Errc::internal);
  Status started = fail(Errc::internal);
  Status stopped = fail(Errc::internal);
  std::atomic<bool> ended = false;
  std::thread client([&] {
    auto proxy = dbus::Proxy::connect(service.daemon.address(), std::chrono::seconds(9));
    if (proxy) {
      constexpr auto kNode = dbus::Service::node;
      facts = proxy->policy_facts(kNode, "x");
      set = proxy->set_policy_text(kNode, "domain", "[policy]\nmode = \"observe\"\n");
      started = proxy->start_maintenance(kNode, "", 30, "an update");
      windows = proxy->maintenance(kNode);
      stopped = proxy->stop_maintenance(kNode, "");
    }
    ended = true;
  });
  const bool in_time = pump(service.servers(), [&] { return ended.load(); });
  client.join();
  cr_assert(in_time);
  cr_assert(facts, "%s", facts ? "" : facts.error().message().c_str());
  cr_assert_eq(facts->at("scope"), "x");
  cr_assert(set && started && stopped);
  cr_assert_eq(service.port.text, "[policy]\nmode = \"observe\"\n");
  cr_assert_eq(windows->size(), 1);
  cr_assert_eq(windows->at(0).why, "an update");
  cr_assert_eq(windows->at(0).until_ns, 30'000'000'001);
}
