#include "keyring/pkcs11_module.h"

#include <criterion/criterion.h>

#include "tests/support/softhsm_fixture.h"

using akm::Errc;
using akm::keyring::Pkcs11Module;
using akm::keyring::TokenUri;
using akm::test::SoftHsm;

namespace {

void need_softhsm() {
  if (!akm::test::have_softhsm()) cr_skip("%s", akm::test::kNoSoftHsm);
}

}  // namespace

Test(pkcs11_module, finds_the_one_token_that_fits) {
  need_softhsm();
  const SoftHsm hsm;
  hsm.add_token("two");
  const auto module = Pkcs11Module::load(akm::test::kSoftHsm);
  cr_assert(module, "%s", module.error().message().c_str());
  const auto two = (*module)->find(*TokenUri::parse("pkcs11:token=two"));
  cr_assert(two, "%s", two.error().message().c_str());
  cr_assert_str_eq(two->facts.label.c_str(), "two");
  cr_assert_not(two->facts.serial.empty());
  const auto same = (*module)->find(*TokenUri::parse("pkcs11:serial=" + two->facts.serial));
  cr_assert(same && same->slot == two->slot);
  cr_assert((*module)->find(*TokenUri::parse("pkcs11:token=three")).error().code == Errc::not_found);
  const auto any = (*module)->find(*TokenUri::parse("pkcs11:model=SoftHSM%20v2"));
  cr_assert(!any && any.error().code == Errc::invalid_argument);
  cr_assert(any.error().detail.contains("2 tokens fit"), "%s", any.error().detail.c_str());
}

Test(pkcs11_module, one_that_is_none_is_refused) {
  const akm::test::TemporaryFolder folder;
  cr_assert(Pkcs11Module::load("/nowhere/module.so").error().code == Errc::not_found);
  cr_assert(Pkcs11Module::load("module.so").error().code == Errc::invalid_argument);
  const auto text = Pkcs11Module::load(folder.write("text.so", "no library"));
  cr_assert(!text && text.error().code == Errc::token_failed);
  cr_assert(!Pkcs11Module::load("/lib/x86_64-linux-gnu/libc.so.6"));
}

Test(pkcs11_module, the_registered_ones_can_be_asked_for) {
  need_softhsm();
  const SoftHsm hsm;
  const auto modules = Pkcs11Module::load("");
  cr_assert(modules, "%s", modules.error().message().c_str());
  // Whether SoftHSM is registered is this machine's matter; what is not there is said in either case.
  cr_assert((*modules)->find(*TokenUri::parse("pkcs11:token=none-of-this-name")).error().code ==
            Errc::not_found);
}
