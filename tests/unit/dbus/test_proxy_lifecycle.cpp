#include <criterion/criterion.h>

#include "tests/unit/dbus/with_proxy.h"

using namespace akm;
using namespace akm::dbus;
using namespace akm::test;

Test(proxy_lifecycle, of_a_node) {
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here");
  NodeService service;
  Result<node::ControlPort::Offer> offer = fail(Errc::internal);
  Result<std::string> receipt = fail(Errc::internal);
  Status rehomed = fail(Errc::internal);
  Status generalized = fail(Errc::internal);
  with_proxy(service, [&](Proxy& proxy) {
    offer = proxy.offer_handover();
    receipt = proxy.zeroize();
    rehomed = proxy.rehome();
    generalized = proxy.generalize();
  });
  cr_assert(offer->key == service.port.handover_key);
  cr_assert(offer->identity.sources == service.port.identity.sources);
  cr_assert_eq(offer->fingerprint, "0-1-2");
  cr_assert_eq(*receipt, "{}");
  cr_assert(rehomed && generalized);
}

Test(proxy_lifecycle, of_an_nmm) {
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here");
  NmmService service;
  Result<nmm::ControlPort::DirectOffer> offer = fail(Errc::internal);
  Result<std::uint64_t> id = fail(Errc::internal);
  Result<std::vector<std::pair<std::string, std::string>>> known = fail(Errc::internal);
  Errc unknown = Errc::internal;
  with_proxy(service, [&](Proxy& proxy) {
    offer = proxy.begin_direct({"C", {}, {}}, "ssh:c");
    id = proxy.confirm_direct(7, "X");
    known = proxy.describe_node(0xa1);
    unknown = proxy.describe_node(0xb2).error().code;
    (void)proxy.reprovision(0xa1);
    (void)proxy.rehome_node(0xa1, std::vector<std::uint8_t>(32));
    (void)proxy.retire_node(0xa1, false);
    (void)proxy.accept_hardware();
  });
  cr_assert_eq(offer->handle, 7U);
  cr_assert_eq(offer->fingerprint, service.port.offer.fingerprint);
  cr_assert(offer->confirm);
  cr_assert_eq(*id, 0xc3U);
  cr_assert_eq(known->at(0).second, "active");
  cr_assert_eq(unknown, Errc::not_found);
  cr_assert_eq(service.port.calls.back(), "accept_hardware");
}
