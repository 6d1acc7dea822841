// Whether a TPM opens it is tested in tests/unit/keyring/test_tpm_import.cpp.
#include "daemon/protocol/tpm_wrapping.h"

#include <criterion/criterion.h>

#include "daemon/base/cursor.h"
#include "tests/support/paper_identity.h"
#include "tests/support/seeded_random.h"

using namespace akm;
using namespace akm::protocol;
using akm::testing::PaperIdentity;

Test(tpm_wrapping, a_credential_is_two_sized_parts_and_never_the_same) {
  const PaperIdentity paper;
  const NodeIdentity identity = paper.make();
  const auto key = parse_endorsement_key(identity.endorsement_key);
  test::SeededRandom random;
  const TpmSecret secret;
  const auto one = make_credential(*key, key->name, secret, random);
  const auto other = make_credential(*key, key->name, secret, random);
  cr_assert(one.has_value() && other.has_value());
  cr_assert(*one != *other);
  Reader in(*one);
  const std::size_t blob = in.u16();
  cr_assert_eq(blob, 2 + 32 + 2 + 32);
  (void)in.bytes(blob);
  const std::size_t seed = in.u16();
  cr_assert_eq(seed, 68);
  (void)in.bytes(seed);
  cr_assert(in.done());
}

Test(tpm_wrapping, a_duplicate_is_an_object_that_can_be_imported) {
  const PaperIdentity paper;
  const NodeIdentity identity = paper.make();
  const auto key = parse_storage_key(identity.storage_key);
  test::SeededRandom random;
  const TpmSecret secret;
  const auto made = make_duplicate(*key, secret, random);
  cr_assert(made.has_value());
  cr_assert(tpm_name(made->object).has_value());
  Reader object(made->object);
  (void)object.u16();
  cr_assert_eq(object.u16(), 0x0008);
  (void)object.u16();
  cr_assert_eq(object.u32() & (1U << 1 | 1U << 4), 0, "neither fixedTPM nor fixedParent");
  Reader wrapped(made->duplicate);
  cr_assert_eq(wrapped.u16(), made->duplicate.size() - 2);
  cr_assert_eq(made->seed.size(), 70);
}

Test(tpm_wrapping, without_randomness_nothing_is_made) {
  struct None final : RandomSource {
    Status fill(std::span<std::uint8_t>) override { return fail(Errc::crypto_failed); }
  } none;
  const PaperIdentity paper(true);
  const NodeIdentity identity = paper.make();
  const auto storage = parse_storage_key(identity.storage_key);
  const auto endorsement = parse_endorsement_key(identity.endorsement_key);
  const TpmSecret secret;
  cr_assert_eq(make_duplicate(*storage, secret, none).error().code, Errc::crypto_failed);
  cr_assert_eq(make_credential(*endorsement, storage->name, secret, none).error().code, Errc::crypto_failed);
}
