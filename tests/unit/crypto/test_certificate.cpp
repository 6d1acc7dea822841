#include "daemon/crypto/certificate.h"

#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <array>

#include "daemon/crypto/public_key.h"
#include "tests/support/paper_certificate.h"

using namespace akm;
using namespace akm::crypto;
using akm::testing::PaperVendor;
using Pems = std::vector<std::vector<std::uint8_t>>;

namespace {

constexpr std::int64_t kIn2015 = 1'430'000'000;
constexpr std::int64_t kIn2026 = 1'780'000'000;

/// With no revocation list, as most have it.
Result<EndorsementCertificate> verify_endorsement_certificate(std::span<const std::uint8_t> der,
                                                              const TpmKey& key, const Pems& trusted) {
  return crypto::verify_endorsement_certificate(der, key, {trusted, {}}, kIn2026);
}

struct Endorsement {
  PublicKey key{EVP_EC_gen("prime256v1")};
  std::array<std::uint8_t, 64> point{};
  Endorsement() { cr_assert(p256_point(key, point)); }
  [[nodiscard]] TpmKey tpm_key() const {
    return {{std::span(point).first(32), std::span(point).last(32)}, {}};
  }
};

}  // namespace

Test(certificate, a_chain_to_a_trusted_root_is_taken_though_it_expired_long_ago) {
  const PaperVendor vendor;
  const Endorsement endorsement;
  auto der = vendor.certify(endorsement.key.get());
  const Pems trusted{vendor.between(), vendor.root()};
  const auto root = verify_endorsement_certificate(der, endorsement.tpm_key(), trusted);
  cr_assert(root.has_value(), "%s", root.has_value() ? "" : root.error().message().c_str());
  cr_assert_eq(root->root, "CN=Vendor Root");
  der.resize(der.size() + 100, 0xff);  // an NV index that is longer
  cr_assert(verify_endorsement_certificate(der, endorsement.tpm_key(), trusted).has_value());
  cr_assert(verify_endorsement_certificate(vendor.certify(endorsement.key.get(), nullptr),
                                           endorsement.tpm_key(), trusted)
                .has_value(),
            "old vendors name no usage");
}

Test(certificate, without_the_root_or_with_another_vendor_it_is_not_authentic) {
  const PaperVendor vendor;
  const PaperVendor other;
  const Endorsement endorsement;
  const auto der = vendor.certify(endorsement.key.get());
  const auto error = [&](const Pems& trusted) {
    return verify_endorsement_certificate(der, endorsement.tpm_key(), trusted).error().code;
  };
  cr_assert_eq(error({}), Errc::not_found);
  cr_assert_eq(error({vendor.between()}), Errc::not_found, "what stands between is no root");
  cr_assert_eq(error({vendor.root()}), Errc::not_authentic, "the one between is missing");
  cr_assert_eq(error({vendor.between(), other.root()}), Errc::not_authentic);
}

Test(certificate, of_another_key_or_for_another_use_it_is_not_authentic) {
  const PaperVendor vendor;
  const Endorsement endorsement;
  const Endorsement other;
  const Pems trusted{vendor.between(), vendor.root()};
  cr_assert_eq(verify_endorsement_certificate(vendor.certify(other.key.get()), endorsement.tpm_key(), trusted)
                   .error()
                   .code,
               Errc::not_authentic);
  cr_assert_eq(verify_endorsement_certificate(vendor.certify(endorsement.key.get(), "serverAuth"),
                                              endorsement.tpm_key(), trusted)
                   .error()
                   .code,
               Errc::not_authentic);
}

Test(certificate, a_changed_or_cut_one_is_refused) {
  const PaperVendor vendor;
  const Endorsement endorsement;
  const Pems trusted{vendor.between(), vendor.root()};
  const auto der = vendor.certify(endorsement.key.get());
  for (std::size_t at = 0; at < der.size(); at += 7) {
    auto changed = der;
    changed[at] ^= 0x01;
    cr_assert_not(verify_endorsement_certificate(changed, endorsement.tpm_key(), trusted).has_value(), "%zu",
                  at);
  }
  cr_assert_eq(
      verify_endorsement_certificate(std::span(der).first(der.size() - 1), endorsement.tpm_key(), trusted)
          .error()
          .code,
      Errc::malformed);
  cr_assert_eq(verify_endorsement_certificate({}, endorsement.tpm_key(), trusted).error().code,
               Errc::malformed);
}

Test(certificate, so_many_are_too_many) {
  const PaperVendor vendor;
  const Endorsement endorsement;
  const Pems trusted(kTrustedCertificates + 1, vendor.between());
  cr_assert_eq(
      verify_endorsement_certificate(vendor.certify(endorsement.key.get()), endorsement.tpm_key(), trusted)
          .error()
          .code,
      Errc::limit_exceeded);
}

/// A clock may lie: it is told, and nothing else.
Test(certificate, times_are_told_by_the_clock_that_the_caller_has) {
  const PaperVendor vendor;
  const Endorsement endorsement;
  const auto der = vendor.certify(endorsement.key.get());
  const auto at = [&](std::int64_t now_s) {
    return crypto::verify_endorsement_certificate(der, endorsement.tpm_key(),
                                                  {{vendor.between(), vendor.root()}, {}}, now_s)
        ->out_of_time;
  };
  cr_assert_eq(at(kIn2015), "");
  cr_assert_eq(at(kIn2026), "CN=TPM has expired on 2016-01-01 00:00:00Z");
  cr_assert_eq(at(0), "CN=TPM is valid from 2015-01-01 00:00:00Z on");
}

Test(certificate, one_that_its_issuer_has_revoked_is_not_authentic) {
  const PaperVendor vendor;
  const PaperVendor other;
  const Endorsement endorsement;
  const auto der = vendor.certify(endorsement.key.get());
  const auto with = [&](const Pems& lists) {
    return crypto::verify_endorsement_certificate(der, endorsement.tpm_key(),
                                                  {{vendor.between(), vendor.root()}, lists}, kIn2015);
  };
  cr_assert_eq(with({})->revocation, "no revocation list for 2 of 2 certificates");
  cr_assert_eq(with({vendor.revoke_by_between(99)})->revocation,
               "no revocation list for 1 of 2 certificates");
  cr_assert_eq(with({vendor.revoke_by_between(99), vendor.revoke_by_root(99)})->revocation,
               "none of the chain is revoked");
  const auto revoked = with({vendor.revoke_by_between(7)});
  cr_assert_eq(revoked.error().code, Errc::not_authentic);
  cr_assert_eq(revoked.error().detail, "CN=Vendor Between has revoked CN=TPM on 2015-06-01 00:00:00Z");
  cr_assert_eq(with({vendor.revoke_by_root(7)}).error().code, Errc::not_authentic, "the one between");
  cr_assert(with({other.revoke_by_between(99)}).error().detail.contains("is not signed by it"));
  cr_assert_eq(with({{'x'}}).error().code, Errc::malformed, "a list that is none would count for nothing");
  cr_assert_eq(with(Pems(kRevocationLists + 1, vendor.revoke_by_root(99))).error().code,
               Errc::limit_exceeded);
}
