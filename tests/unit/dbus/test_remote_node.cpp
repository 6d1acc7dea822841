#include "dbus/remote_node.h"

#include <criterion/criterion.h>

#include "dbus/sealed_memfd.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::dbus;
using namespace akm::test;

#define NEED_ROOT() \
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here")

namespace {

constexpr auto kLong = std::chrono::seconds(9);

Pumped pumped_node(RemoteNode& node, bool* over = nullptr) {
  return {[&] { return node.fd(); }, [&] { return node.events(); },
          [&, over] {
            const Status status = node.process();
            if (!status && over != nullptr) *over = true;
          }};
}

DirectAddress local(const std::string& address) {
  return {address, true};
}

UniqueFd bundle() {
  const std::array<std::uint8_t, 3> bytes{1, 2, 3};
  return std::move(*make_sealed_memfd("test", bytes));
}

}  // namespace

Test(remote_node, reads_the_identity_and_passes_the_memfd) {
  NEED_ROOT();
  NodeService service;
  auto node = RemoteNode::connect(local(service.daemon.address()));
  cr_assert(node.has_value());
  std::vector<Pumped> all = service.servers();
  all.push_back(pumped_node(**node));
  std::vector<std::uint8_t> value;
  (*node)->offer_handover(kLong, [&](Result<RemoteOffer> offer) {
    cr_assert(offer.has_value());
    cr_assert(offer->key == service.port.handover_key);
    value = offer->value;
  });
  cr_assert(pump(all, [&] { return !value.empty(); }));
  cr_assert(value == service.port.identity.value);
  std::optional<bool> done;
  (*node)->provision(bundle(), kLong, [&](Status status) { done = status.has_value(); });
  cr_assert(pump(all, [&] { return done.has_value(); }));
  cr_assert(*done);
  cr_assert_eq(*check_sealed_memfd(service.port.received.get(), 16), 3);
  done.reset();
  (*node)->provision_sealed({4, 5}, kLong, [&](Status status) { done = status.has_value(); });
  cr_assert(pump(all, [&] { return done.has_value(); }));
  cr_assert(service.port.sealed == (std::vector<std::uint8_t>{4, 5}));
}

Test(remote_node, a_key_of_another_length_is_malformed) {
  NEED_ROOT();
  NodeService service;
  service.port.handover_key.resize(31);
  auto node = RemoteNode::connect(local(service.daemon.address()));
  std::vector<Pumped> all = service.servers();
  all.push_back(pumped_node(**node));
  std::optional<Errc> code;
  (*node)->offer_handover(kLong, [&](auto offer) { code = offer.error().code; });
  cr_assert(pump(all, [&] { return code.has_value(); }));
  cr_assert_eq(*code, Errc::malformed);
}

Test(remote_node, the_errors_of_the_node_come_back) {
  NEED_ROOT();
  NodeService service;
  service.port.deferred.result = fail(Errc::hardware_mismatch, "tpm-ek");
  auto node = RemoteNode::connect(local(service.daemon.address()));
  std::vector<Pumped> all = service.servers();
  all.push_back(pumped_node(**node));
  std::optional<Error> error;
  (*node)->provision(bundle(), kLong, [&](Status status) { error = status.error(); });
  cr_assert(pump(all, [&] { return error.has_value(); }));
  cr_assert_eq(error->code, Errc::hardware_mismatch);
  cr_assert_eq(error->detail, "tpm-ek");
}

Test(remote_node, a_hardware_value_of_another_length_is_malformed) {
  NEED_ROOT();
  NodeService service;
  service.port.identity.value.resize(16);
  auto node = RemoteNode::connect(local(service.daemon.address()));
  std::vector<Pumped> all = service.servers();
  all.push_back(pumped_node(**node));
  std::optional<Errc> code;
  (*node)->offer_handover(kLong, [&](auto identity) { code = identity.error().code; });
  cr_assert(pump(all, [&] { return code.has_value(); }));
  cr_assert_eq(*code, Errc::malformed);
}

Test(remote_node, no_bus_and_no_node) {
  cr_assert_eq(RemoteNode::connect(local("unix:path=/nonexistent")).error().code, Errc::unreachable);
  PrivateBus daemon;
  auto node = RemoteNode::connect(local(daemon.address()));
  std::optional<Errc> code;
  (*node)->offer_handover(kLong, [&](auto identity) { code = identity.error().code; });
  cr_assert(pump({pumped_node(**node)}, [&] { return code.has_value(); }));
  cr_assert_eq(*code, Errc::unreachable);
}

Test(remote_node, a_node_that_does_not_answer_times_out) {
  NEED_ROOT();
  NodeService service;
  service.port.deferred.on = true;
  auto node = RemoteNode::connect(local(service.daemon.address()));
  std::vector<Pumped> all = service.servers();
  all.push_back(pumped_node(**node));
  std::optional<Errc> code;
  (*node)->provision(bundle(), std::chrono::milliseconds(50),
                     [&](Status status) { code = status.error().code; });
  cr_assert((*node)->timeout().has_value());
  cr_assert(pump(all, [&] { return code.has_value(); }));
  cr_assert_eq(*code, Errc::timed_out);
}

Test(remote_node, the_end_of_the_bus_ends_the_call) {
  NEED_ROOT();
  NodeService service;
  service.port.deferred.on = true;
  auto node = RemoteNode::connect(local(service.daemon.address()));
  bool over = false;
  std::vector<Pumped> all = service.servers();
  all.push_back(pumped_node(**node, &over));
  std::optional<Errc> code;
  (*node)->provision(bundle(), kLong, [&](Status status) { code = status.error().code; });
  cr_assert(pump(all, [&] { return !service.port.deferred.waiting.empty(); }));
  service.daemon.stop();
  cr_assert(pump(all, [&] { return over; }));
  node->reset();
  cr_assert_eq(*code, Errc::unreachable);
}
