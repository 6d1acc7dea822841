// The client side of org.akm.Audit1 against its adaptor.
#include <criterion/criterion.h>

#include <atomic>
#include <thread>

#include "dbus/proxy.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

Test(audit_proxy, what_is_asked_and_answered_comes_through_whole) {
  if (!may_call()) cr_skip("methods need uid 0");
  AuditBusBench service;
  Result<AuditVerdict> verdict = fail(Errc::internal);
  Result<std::vector<AuditRecord>> records = fail(Errc::internal);
  Result<std::vector<IncidentSummary>> incidents = fail(Errc::internal);
  Result<std::vector<std::uint64_t>> bad = fail(Errc::internal);
  const AuditSeal seal{.number = 8, .boottime_ns = 7, .start = 6, .before = {5}, .seal = {4}};
  std::atomic<bool> ended = false;
  std::thread client([&] {
    auto proxy = dbus::Proxy::connect(service.daemon.address(), std::chrono::seconds(9));
    if (proxy) {
      constexpr auto kNode = dbus::Service::node;
      verdict = proxy->verify_audit(kNode);
      records = proxy->audit_records(kNode, 0, 0);
      incidents = proxy->audit_incidents(kNode, 0);
      bad = proxy->check_audit_seals(kNode, {seal});
    }
    ended = true;
  });
  const bool in_time = pump(service.servers(), [&] { return ended.load(); });
  client.join();
  cr_assert(in_time);
  cr_assert(verdict && *verdict == service.port.verdict);
  cr_assert(records && *records == service.port.all);
  cr_assert(incidents && *incidents == service.port.summaries);
  cr_assert(bad && *bad == std::vector<std::uint64_t>{8});
  cr_assert(service.port.seals[0].before == seal.before && service.port.seals[0].seal == seal.seal);
  cr_assert(service.port.seals[0].boottime_ns == 7 && service.port.seals[0].start == 6);
}
