#include "daemon/service/direct_provisioning.h"

#include <criterion/criterion.h>

#include <chrono>
#include <optional>

#include "daemon/protocol/bundle.h"
#include "daemon/service/bus_wiring.h"
#include "dbus/nmm_adaptor.h"
#include "dbus/node_adaptor.h"
#include "dbus/sealed_memfd.h"
#include "tests/support/dbus_fixture.h"
#include "tests/support/fake_ports.h"
#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
namespace nmm_test = akm::nmm::test;
using std::chrono::seconds;

TestSuite(direct_provisioning, .init = nmm_test::quiet);

namespace {

/// A node's bus (or an NMM's, one level up), and a hand on it, on one loop.
template <typename Port, typename Adaptor, dbus::RemoteRole kRole>
struct Bench {
  akm::test::PrivateBus daemon;
  std::unique_ptr<io::Loop> loop = std::move(*io::Loop::create(io::BackendChoice::epoll));
  Port port;
  dbus::Bus bus{{daemon.address(), kRole == dbus::RemoteRole::node ? dbus::kNodeName : dbus::kNmmName}};
  dbus::Authorizer authorizer{bus, {"root", false}};
  Adaptor adaptor{bus, authorizer, port};
  service::BusWiring wiring{*loop, bus};
  nmm_test::NmmNet net{0};
  std::optional<Result<std::uint64_t>> result;
  service::DirectSettings settings;
  service::DirectProvisioning direct{*loop, kRole, settings, [this] { net.nmm->settle(); }};
  std::optional<dbus::RemoteOffer> said;
  /// The content comes when `make` is called, or later.
  bool later = false;
  std::optional<service::BundleReply> waiting;

  service::DirectProvisioning::Make maker() {
    return [this](const dbus::RemoteOffer& offer, service::BundleReply made) {
      said = offer;
      if (later) {
        waiting = std::move(made);
      } else {
        made(net.nmm->provisioner().prepare({"n0", offer.value, {"10.0.1.1:7400"}}));
      }
    };
  }

  /// Runs until the result is there; ten seconds are a hang.
  void run(const std::string& address) {
    run_with([this, address] {
      direct.start(maker(), address, [this](Result<std::uint64_t> r) { result = std::move(r); });
    });
  }
  /// The operator says this of the fingerprint.
  void run_with_word(const std::function<std::string(const std::string&)>& word) {
    run_with([this, word] {
      direct.begin(maker(), daemon.address(), [this, word](Result<DirectOffer> offer) {
        cr_assert(offer.has_value());
        asked = offer->confirm;
        direct.confirm(offer->handle, word(offer->fingerprint),
                       [this](Result<std::uint64_t> r) { result = std::move(r); });
      });
    });
  }
  bool asked = false;
  void run_with(std::function<void()> start) {
    cr_assert(wiring.start(std::move(start)));
    const Instant end = boottime_now() + seconds(10);
    loop->add_deadline([end] { return end; }, [this] { loop->stop(); });
    loop->at_end_of_turn([this] {
      if (result) loop->stop();
    });
    cr_assert(loop->run());
    cr_assert(result.has_value(), "no answer");
  }
};
using Fixture = Bench<akm::test::FakeNode, dbus::NodeAdaptor, dbus::RemoteRole::node>;
using Upper = Bench<akm::test::FakeNmm, dbus::NmmAdaptor, dbus::RemoteRole::nmm>;

}  // namespace

Test(direct_provisioning, hands_a_sealed_memfd_to_the_node) {
  Fixture f;
  f.run(f.daemon.address());
  cr_assert(f.result->has_value(), "%s", f.result->error().message().c_str());
  cr_assert_eq(f.port.calls.size(), 2U);
  const auto bytes = dbus::read_sealed_memfd(f.port.received.get(), 64 * 1024);
  cr_assert(bytes.has_value());
  const auto content = protocol::decode_direct_bundle(bytes->reveal());
  cr_assert(content.has_value());
  cr_assert_eq(content->identity.node_id, **f.result);
  const auto nodes = f.net.nmm->nodes();
  cr_assert_eq(nodes.at(0).node_id, **f.result);
  cr_assert_eq(nodes.at(0).state, "prepared");
}

Test(direct_provisioning, the_nodes_refusal_comes_back_as_it_is) {
  Fixture f;
  f.port.deferred.result = fail(Errc::already_provisioned);
  f.run(f.daemon.address());
  cr_assert(f.result->error().code == Errc::already_provisioned);
}

Test(direct_provisioning, a_bus_that_is_not_there_is_said_to_be) {
  Fixture f;
  f.run("unix:path=/nonexistent/bus");
  cr_assert(f.result->error().code == Errc::unreachable);
  cr_assert(f.net.nmm->nodes().empty(), "nothing was prepared for a node that is not there");
}

Test(direct_provisioning, only_local_sockets) {
  Fixture f;
  f.run("unixexec:path=/bin/true");
  cr_assert(f.result->error().code == Errc::invalid_argument);
}

Test(direct_provisioning, another_fingerprint_sends_nothing) {
  for (const char* said : {"AAAAA-AAAAA-AAAAA-AAAAA", ""}) {
    Fixture f;
    f.settings.confirm = service::DirectConfirm::always;
    f.run_with_word([said](const std::string&) { return said; });
    cr_assert(f.asked);
    cr_assert(f.result->error().code == Errc::not_authentic);
    cr_assert(f.net.nmm->nodes().empty(), "no serial was used up");
    cr_assert_eq(f.port.calls.size(), 1U, "only the offer was asked for");
  }
}

Test(direct_provisioning, the_right_one_sends) {
  Fixture f;
  f.settings.confirm = service::DirectConfirm::always;
  f.run_with_word([](const std::string& shown) { return shown; });
  cr_assert(f.result->has_value());
}

Test(direct_provisioning, in_one_step_only_where_nobody_has_to_compare) {
  Fixture f;
  f.settings.confirm = service::DirectConfirm::always;
  f.run(f.daemon.address());
  cr_assert(f.result->error().code == Errc::refused_by_policy);
  cr_assert(f.net.nmm->nodes().empty());
}

Test(direct_provisioning, one_level_up_it_is_an_nmm_that_tells_its_id) {
  Upper f;
  f.port.identity.value.assign(32, 5);
  f.settings.confirm = service::DirectConfirm::always;
  f.run_with_word([](const std::string& shown) { return shown; });
  cr_assert(f.result->has_value(), "%s", f.result->error().message().c_str());
  cr_assert_eq(f.said->nmm_id, 0x77U);
  cr_assert(f.said->value == f.port.identity.value);
  cr_assert_eq(f.port.calls.back(), "provision_from_memfd");
}

Test(direct_provisioning, credentials_that_come_too_late_are_not_sent) {
  Fixture f;
  f.later = true;
  // The node goes while a database makes its credentials.
  f.loop->at_end_of_turn([&f] {
    if (f.waiting) f.daemon.stop();
  });
  f.run(f.daemon.address());
  cr_assert(f.result->error().code == Errc::unreachable);
  (*f.waiting)(f.net.nmm->provisioner().prepare({"n0", std::vector<std::uint8_t>(32, 1), {}}));
  cr_assert_eq(f.port.calls.size(), 1U, "only the offer was asked for");
}
