#include "daemon/nmm/token_preparation.h"

#include <criterion/criterion.h>

#include <chrono>

#include "dbus/sealed_memfd.h"
#include "keyring/token_vault.h"
#include "tests/support/softhsm_fixture.h"
#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using akm::test::SoftHsm;
using std::chrono::seconds;

TestSuite(token_preparation, .init = quiet);

namespace {

UniqueFd memfd_of(std::string_view text) {
  return std::move(
      *dbus::make_sealed_memfd("pin", {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
}

using Outcome = std::optional<Result<ControlPort::PreparedOnToken>>;

Outcome prepare(NmmNet& net, const ControlPort::Prepare& what, std::string_view pin = "1234",
                const std::string& uri = "pkcs11:token=one") {
  Outcome made;
  net.nmm->prepare_token(what, uri, memfd_of(pin),
                         [&made](Result<ControlPort::PreparedOnToken> r) { made = std::move(r); });
  while (!net.aside.empty()) net.run_aside();
  return made;
}

std::unique_ptr<SoftHsm> softhsm() {
  if (!akm::test::have_softhsm()) cr_skip("%s", akm::test::kNoSoftHsm);
  return std::make_unique<SoftHsm>();
}

NmmSettings use_softhsm() {
  NmmSettings settings;
  settings.pkcs11_module = akm::test::kSoftHsm;
  return settings;
}

}  // namespace

Test(token_preparation, what_is_on_the_token_provisions_its_node) {
  const auto hsm = softhsm();
  NmmNet net(1, use_softhsm());
  FakeNode& node = *net.nodes[0];
  const ControlPort::Prepare what{node.name, {node.hardware.begin(), node.hardware.end()}, {"10.0.1.1:7400"}};
  const auto made = prepare(net, what);
  cr_assert(made && *made, "%s", made->error().message().c_str());
  cr_assert((*made)->sealed);
  const auto read = keyring::read_vault(hsm->place, hsm->pin);
  cr_assert(read && read->node == node.name);
  const auto content = protocol::decode_token_bundle(read->content.reveal());
  cr_assert(content && content->identity.node_id == (*made)->node_id);
  node.provision(*content);
  node.activate();
  net.run(seconds(1));
  cr_assert_eq(net.nmm->nodes().at(0).state, "active");
  cr_assert(prepare(net, what)->error().code == Errc::already_exists);
  cr_assert_eq(net.nmm->nodes().at(0).serial, 1U, "no serial is used up by a token that is not free");
}

Test(token_preparation, what_cannot_be_written_uses_up_no_serial) {
  const auto hsm = softhsm();
  NmmNet net(1, use_softhsm());
  const ControlPort::Prepare what{"x", std::vector<std::uint8_t>(32, 1), {}};
  cr_assert(prepare(net, what, "9999")->error().code == Errc::wrong_pin);
  cr_assert(prepare(net, what, "")->error().code == Errc::invalid_argument);
  cr_assert(prepare(net, what, "1234", "pkcs11:token=two")->error().code == Errc::not_found);
  cr_assert(prepare(net, what, "1234", "pkcs11:token=one?module-path=/x")->error().code ==
            Errc::invalid_argument);
  cr_assert(!*prepare(net, {"../x", {}, {}}));
  net.aside_full = true;
  cr_assert(prepare(net, what)->error().code == Errc::busy);
  cr_assert(net.nmm->nodes().empty());
}
