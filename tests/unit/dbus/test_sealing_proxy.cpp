// The client side of org.akm.Sealing1 against its adaptor.
#include <criterion/criterion.h>

#include <atomic>
#include <thread>

#include "dbus/proxy.h"
#include "dbus/sealed_memfd.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

Test(sealing_proxy, what_is_asked_and_answered_comes_through_whole) {
  if (!may_call()) cr_skip("methods need uid 0");
  SealingBench service;
  Result<PcrFacts> facts = fail(Errc::internal);
  Result<PcrPrediction> predicted = fail(Errc::internal);
  Status authorised = fail(Errc::internal);
  Status resealed = fail(Errc::internal);
  Status recovered;
  std::atomic<bool> ended = false;
  std::thread client([&] {
    auto proxy = dbus::Proxy::connect(service.daemon.address(), std::chrono::seconds(9));
    if (proxy) {
      constexpr auto kNode = dbus::Service::node;
      const PcrChanges changes{{7, std::vector<std::uint8_t>(32, 9)}};
      const UniqueFd secret = std::move(*dbus::make_sealed_memfd("test", std::vector<std::uint8_t>(20, 's')));
      facts = proxy->pcrs(kNode);
      predicted = proxy->predict_pcrs(kNode, changes);
      authorised = proxy->authorize_pcrs(kNode, changes, {4, 5});
      resealed = proxy->reseal(kNode, secret, false);
      recovered = proxy->reseal(kNode, secret, true);
    }
    ended = true;
  });
  const bool in_time = pump(service.servers(), [&] { return ended.load(); });
  client.join();
  cr_assert(in_time);
  cr_assert(facts, "%s", facts ? "" : facts.error().message().c_str());
  cr_assert(facts->mask == service.port.facts.mask && facts->sealed == service.port.facts.sealed);
  cr_assert(facts->present == service.port.facts.present && facts->authorised == 3 && facts->policy_key);
  cr_assert(predicted && predicted->values.size() == 1 && predicted->to_sign.size() == 2);
  cr_assert(authorised.has_value());
  cr_assert(service.port.asked.at(7) == std::vector<std::uint8_t>(32, 9));
  cr_assert_eq(service.port.signature.size(), 2);
  cr_assert(resealed.has_value());
  cr_assert_eq(service.port.secret.size(), 20);
  cr_assert_eq(recovered.error().code, Errc::not_authentic);
}
