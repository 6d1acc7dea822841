#include "keyring/token_uri.h"

#include <criterion/criterion.h>

#include <string>

using akm::Errc;
using akm::keyring::TokenUri;

Test(token_uri, names_a_token_and_an_object) {
  const auto uri = TokenUri::parse("pkcs11:token=my%20token;serial=01;object=node-a");
  cr_assert(uri, "%s", uri.error().message().c_str());
  cr_assert_str_eq(uri->object().c_str(), "node-a");
  cr_assert(TokenUri::parse("pkcs11:token=x")->object().empty());
}

Test(token_uri, refuses_what_a_caller_has_no_business_to_say) {
  for (const char* text :
       {"", "file:/etc", "pkcs11", "pkcs11:token=x?pin-value=1234", "pkcs11:token=x?pin-source=/etc/shadow",
        "pkcs11:token=x?module-path=/tmp/evil.so", "pkcs11:token=x?module-name=evil", "pkcs11:what=ever",
        "pkcs11:token=%zz", "pkcs11:token=a b", "pkcs11:token=a\n", "pkcs11:token=\xc3\xa4"}) {
    const auto uri = TokenUri::parse(text);
    cr_assert(!uri, "%s", text);
    cr_assert(uri.error().code == Errc::invalid_argument, "%s", text);
  }
  cr_assert(!TokenUri::parse("pkcs11:token=" + std::string(1100, 'a')));
}
