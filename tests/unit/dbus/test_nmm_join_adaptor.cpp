// dbus/nmm_join_adaptor.cpp: an NMM takes its Root's credentials in the ways of a node.
#include <criterion/criterion.h>

#include "dbus/remote_node.h"
#include "dbus/sealed_memfd.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

#define NEED_ROOT() \
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here")

namespace {

constexpr auto kLong = std::chrono::seconds(9);

UniqueFd memfd() {
  const std::array<std::uint8_t, 4> bytes{'1', '2', '3', '4'};
  return std::move(*dbus::make_sealed_memfd("test", bytes));
}

}  // namespace

Test(nmm_join_adaptor, a_token_is_asked_with_a_pin_that_is_not_on_the_bus) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const UniqueFd pin = memfd();
  const auto ask = [&](const char* uri) {
    return client
        .call_akm(service.servers(), "Nmm1", "ProvisionFromToken",
                  [&](sd_bus_message* m) { dbus::Writer(m).text(uri).fd(pin.get()); })
        .error;
  };
  cr_assert_eq(ask("pkcs11:token=one"), "");
  cr_assert_eq(ask("pkcs11:token=one?pin-value=1234"), "org.akm.Error.InvalidArgument");
  cr_assert_eq(service.port.calls, std::vector<std::string>{"provision_from_token pkcs11:token=one"});
  cr_assert_eq(*dbus::check_sealed_memfd(service.port.received.get(), 16), 4U);
}

Test(nmm_join_adaptor, a_root_is_told_who_this_is_and_hands_over_what_it_has_sealed) {
  NEED_ROOT();
  NmmService service;
  service.port.identity.value.assign(32, 0x42);
  auto root = dbus::RemoteNode::connect({service.daemon.address(), true}, dbus::RemoteRole::nmm);
  cr_assert(root.has_value());
  std::vector<Pumped> all = service.servers();
  all.push_back({[&] { return (*root)->fd(); }, [&] { return (*root)->events(); },
                 [&] { cr_assert((*root)->process().has_value()); }});
  std::optional<dbus::RemoteOffer> offer;
  (*root)->offer_handover(kLong, [&](Result<dbus::RemoteOffer> said) { offer = std::move(*said); });
  cr_assert(pump(all, [&] { return offer.has_value(); }));
  cr_assert_eq(offer->nmm_id, 0x77U);
  cr_assert(offer->value == service.port.identity.value);
  cr_assert(offer->key == service.port.handover_key);
  std::optional<bool> done;
  (*root)->provision_sealed({4, 5}, kLong, [&](Status status) { done = status.has_value(); });
  cr_assert(pump(all, [&] { return done.has_value(); }));
  cr_assert(*done && service.port.sealed == (std::vector<std::uint8_t>{4, 5}));
  done.reset();
  (*root)->provision(memfd(), kLong, [&](Status status) { done = status.has_value(); });
  cr_assert(pump(all, [&] { return done.has_value(); }));
  cr_assert_eq(service.port.calls,
               (std::vector<std::string>{"offer_handover", "provision_sealed", "provision_from_memfd"}));
}

Test(nmm_join_adaptor, its_hardware_value_is_for_everybody) {
  NmmService service;
  service.port.identity.value.assign(32, 7);
  TestClient client(service.daemon.address());
  const Answer answer = client.call_akm(service.servers(), "Nmm1", "GetHardwareIdentity");
  cr_assert_eq(answer.error, "");
}
