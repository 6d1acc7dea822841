#include "daemon/protocol/tpm_public.h"

#include <criterion/criterion.h>

#include "tests/support/paper_identity.h"

using namespace akm;
using namespace akm::protocol;
using akm::testing::PaperIdentity;

Test(tpm_public, keys_of_the_templates_are_taken) {
  for (const bool rsa : {false, true}) {
    const PaperIdentity paper(rsa);
    const NodeIdentity identity = paper.make();
    const auto endorsement = parse_endorsement_key(identity.endorsement_key);
    cr_assert(endorsement.has_value(), "%s",
              endorsement.has_value() ? "" : endorsement.error().message().c_str());
    cr_assert_eq(endorsement->key.modulus.size(), rsa ? 256 : 0);
    cr_assert(endorsement->name == *tpm_name(identity.endorsement_key));
    cr_assert_eq(endorsement->name[1], 0x0b);
    cr_assert(parse_storage_key(identity.storage_key).has_value());
  }
}

Test(tpm_public, one_kind_is_not_taken_for_another) {
  const PaperIdentity paper;
  const NodeIdentity identity = paper.make();
  cr_assert_eq(parse_endorsement_key(identity.storage_key).error().code, Errc::not_authentic);
  cr_assert_eq(parse_storage_key(identity.endorsement_key).error().code, Errc::not_authentic);
  cr_assert_eq(parse_storage_key(identity.attestation_key).error().code, Errc::malformed);
}

Test(tpm_public, every_attribute_counts) {
  for (int bit = 0; bit < 32; ++bit) {
    PaperIdentity paper;
    paper.endorsement_attributes ^= 1U << bit;
    paper.storage_attributes ^= 1U << bit;
    const NodeIdentity identity = paper.make();
    cr_assert_eq(parse_endorsement_key(identity.endorsement_key).error().code, Errc::not_authentic, "bit %d",
                 bit);
    const auto storage = parse_storage_key(identity.storage_key);
    // noDA says who locks the key out, not who has it.
    cr_assert_eq(storage.has_value(), bit == 10, "bit %d", bit);
  }
}

Test(tpm_public, another_policy_is_another_key) {
  PaperIdentity paper;
  paper.endorsement_policy[3] ^= 1;
  cr_assert_eq(parse_endorsement_key(paper.make().endorsement_key).error().code, Errc::not_authentic);
  paper.endorsement_policy.clear();
  cr_assert_eq(parse_endorsement_key(paper.make().endorsement_key).error().code, Errc::not_authentic);
}

Test(tpm_public, cut_or_longer_ones_are_malformed) {
  for (const bool rsa : {false, true}) {
    const PaperIdentity paper(rsa);
    Body area = paper.make().endorsement_key;
    for (std::size_t size = 0; size < area.size(); ++size)
      cr_assert_eq(parse_endorsement_key(std::span(area).first(size)).error().code, Errc::malformed, "%zu",
                   size);
    area.push_back(0);
    cr_assert_eq(parse_endorsement_key(area).error().code, Errc::malformed);
    area.resize(kTpmPublicBytes + 1);
    cr_assert_eq(tpm_name(area).error().code, Errc::malformed);
  }
}
