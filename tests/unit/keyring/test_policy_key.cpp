#include "keyring/policy_key.h"

#include "keyring/tpm_marshal.h"
#include "tests/support/tpm_bench.h"

using namespace akm;
using namespace akm::keyring;
using namespace akm::test;

Test(policy_key, a_pem_file_becomes_a_public_area_with_a_name) {
  const SigningKey key;
  const auto area = policy_key_of_pem(key.pem());
  cr_assert(area, "%s", area ? "" : area.error().message().c_str());
  const auto decoded = unmarshalled<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Unmarshal, *area);
  cr_assert(decoded);
  cr_assert_eq(decoded->publicArea.unique.ecc.x.size, 32);
  cr_assert_eq(name_of_public(*area)->size(), 34);
  cr_assert(*name_of_public(*area) != *name_of_public(*policy_key_of_pem(SigningKey().pem())));
}

Test(policy_key, other_files_are_refused) {
  EVP_PKEY* rsa = EVP_RSA_gen(2048);
  BIO* out = BIO_new(BIO_s_mem());
  (void)PEM_write_bio_PUBKEY(out, rsa);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  cr_assert(policy_key_of_pem({text, static_cast<std::size_t>(size)}).error().code == Errc::malformed);
  BIO_free(out);
  EVP_PKEY_free(rsa);
  for (const std::string_view pem :
       {"", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}) {
    cr_assert(policy_key_of_pem(pem).error().code == Errc::malformed);
  }
  cr_assert(!name_of_public(std::vector<std::uint8_t>{0, 1, 2}));
}

Test(policy_key, a_signature_is_taken_whole_or_not_at_all) {
  const auto der = SigningKey().sign({1, 2, 3});
  cr_assert(policy_signature_of_der(der));
  for (std::size_t size = 0; size < der.size(); ++size)
    cr_assert(!policy_signature_of_der(std::span(der).first(size)));
  auto longer = der;
  longer.push_back(0);
  cr_assert(!policy_signature_of_der(longer));
}
