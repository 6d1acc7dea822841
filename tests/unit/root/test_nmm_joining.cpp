// Bundles of a Root, as files and over a bus.
#include "daemon/nmm/nmm_joining.h"

#include <criterion/criterion.h>

#include "daemon/protocol/handover.h"
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

Test(nmm_joining, wrong_codes_are_counted_as_a_nodes_are) {
  RootNet net(1, 0);
  akm::test::TemporaryFolder drive;
  const auto content = net.prepare(*net.nmms[0]);
  SeededRandom random(9);
  const auto bytes = protocol::seal_bundle(*content, *protocol::parse_code("ABCDE-FGHJK-MNPQR-STVWX"), random,
                                           {.n = 16384, .r = 8, .p = 1});
  const std::string path = drive.write("north.akmbundle", std::string(bytes->begin(), bytes->end()));
  const auto attempt = [&](std::string_view code) {
    std::optional<Status> result;
    net.nmms[0]->nmm->provision_from_file(path, memfd(code), nmm::test::into(result));
    return result->has_value() ? Errc::internal : result->error().code;
  };
  for (unsigned failed = 1; failed <= service::kBundleTries; ++failed) {
    cr_assert_eq(attempt("00000-00000-00000-00000"), Errc::wrong_code);
    if (failed == service::kBundleTries) break;
    cr_assert_eq(attempt("ABCDE-FGHJK-MNPQR-STVWX"), Errc::busy, "the next try waits");
    net.run(service::pause_after_tries(failed));
  }
  cr_assert_eq(attempt("ABCDE-FGHJK-MNPQR-STVWX"), Errc::bundle_void);
  net.nmms[0]->restart();
  cr_assert_eq(attempt("ABCDE-FGHJK-MNPQR-STVWX"), Errc::bundle_void, "after a restart too");
  cr_assert_eq(net.nmms[0]->status().root_state, "standalone");
}

Test(nmm_joining, what_is_sealed_to_its_key_is_taken_and_the_key_is_gone) {
  RootNet net(1, 0);
  nmm::Nmm& machine = *net.nmms[0]->nmm;
  const auto content = net.prepare(*net.nmms[0]);
  const auto offer = machine.offer_handover();
  cr_assert(offer.has_value());
  cr_assert_eq(offer->nmm_id, 0U, "it has no id yet");
  cr_assert_eq(machine.status().handover_fingerprint, offer->fingerprint);
  crypto::X25519PublicKey key{};
  protocol::HardwareValue hardware{};
  std::ranges::copy(offer->key, key.begin());
  std::ranges::copy(offer->identity.value, hardware.begin());
  SeededRandom random(9);
  const auto sealed = protocol::seal_handover(*content, key, hardware, random);
  std::optional<Status> wrong;
  std::vector<std::uint8_t> altered = *sealed;
  altered.back() ^= 1;
  machine.provision_sealed(altered, nmm::test::into(wrong));
  cr_assert_not(wrong->has_value());
  std::optional<Status> taken;
  machine.provision_sealed(*sealed, nmm::test::into(taken));
  cr_assert(taken->has_value(), "%s", taken->error().message().c_str());
  cr_assert(machine.status().handover_fingerprint.empty());
  std::optional<Status> again;
  machine.provision_sealed(*sealed, nmm::test::into(again));
  cr_assert_eq(again->error().code, Errc::wrong_state);
  net.run(std::chrono::seconds(3));
  cr_assert_eq(net.nmms[0]->status().root_state, "reached");
}

Test(nmm_joining, an_offer_ends_by_itself) {
  RootNet net(1, 0);
  cr_assert(net.nmms[0]->nmm->offer_handover().has_value());
  net.run(service::kHandoverLasts);
  cr_assert(net.nmms[0]->status().handover_fingerprint.empty());
}
