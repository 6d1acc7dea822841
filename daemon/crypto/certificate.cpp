#include "daemon/crypto/certificate.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>

#include "daemon/crypto/owned.h"

namespace akm::crypto {
namespace {

void free_certificates(STACK_OF(X509) * stack) {
  sk_X509_pop_free(stack, X509_free);
}
using Certificate = std::unique_ptr<X509, With<X509_free>>;
using Certificates = std::unique_ptr<STACK_OF(X509), With<free_certificates>>;
using Store = std::unique_ptr<X509_STORE, With<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, With<X509_STORE_CTX_free>>;
using Bio = std::unique_ptr<BIO, With<BIO_free>>;
using ObjectId = std::unique_ptr<ASN1_OBJECT, With<ASN1_OBJECT_free>>;
using KeyUsage = std::unique_ptr<EXTENDED_KEY_USAGE, With<EXTENDED_KEY_USAGE_free>>;

constexpr const char* kEndorsementUsage = "2.23.133.8.1";  // tcg-kp-EKCertificate
// Chains of TPM vendors have two or three certificates between.
constexpr int kChainDepth = 8;

struct Trust {
  Store roots{X509_STORE_new()};
  Certificates between{sk_X509_new_null()};
  std::size_t root_count = 0;
};

Status add(Trust& trust, std::span<const std::uint8_t> pem, std::size_t& count) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!bio) return fail(Errc::crypto_failed, "certificates");
  while (Certificate one{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (++count > kTrustedCertificates) return fail(Errc::limit_exceeded, "trusted certificates of vendors");
    if (X509_self_signed(one.get(), 1) == 1) {
      ++trust.root_count;
      if (X509_STORE_add_cert(trust.roots.get(), one.get()) != 1)
        return fail(Errc::crypto_failed, "certificates");
    } else if (sk_X509_push(trust.between.get(), one.get()) > 0) {
      (void)one.release();  // the stack owns it now
    }
  }
  return {};
}

Result<Trust> trust_in(std::span<const std::vector<std::uint8_t>> trusted) {
  Trust out;
  if (!out.roots || !out.between) return fail(Errc::crypto_failed, "certificates");
  std::size_t count = 0;
  for (const auto& pem : trusted) AKM_TRY(add(out, pem, count));
  if (out.root_count == 0) return fail(Errc::not_found, "no root certificate of a TPM vendor is configured");
  return out;
}

/// A key of another use of the same vendor says nothing of a TPM. Where a usage is named, it has to be this.
bool is_for_endorsement_keys(X509* certificate) {
  const KeyUsage usage(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr)));
  if (!usage) return true;
  const ObjectId wanted(OBJ_txt2obj(kEndorsementUsage, 1));
  for (int i = 0; wanted && i < sk_ASN1_OBJECT_num(usage.get()); ++i) {
    if (OBJ_cmp(sk_ASN1_OBJECT_value(usage.get(), i), wanted.get()) == 0) return true;
  }
  return false;
}

/// RFC 2253, which escapes what is no plain text.
std::string subject_of(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  char* text = nullptr;
  if (!bio || X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0)
    return {};
  const long size = BIO_get_mem_data(bio.get(), &text);
  return size <= 0 ? std::string() : std::string(text, static_cast<std::size_t>(size));
}

Result<Certificate> parse(std::span<const std::uint8_t> der, const TpmKey& key) {
  if (der.empty() || der.size() > kCertificateBytes) return fail(Errc::malformed, "certificate");
  const unsigned char* at = der.data();
  // An NV index may be longer than what is in it.
  Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!certificate) return fail(Errc::malformed, "no X.509 certificate");
  AKM_ASSIGN(const PublicKey expected, key.modulus.empty() ? load_p256(key.point) : load_rsa(key.modulus));
  EVP_PKEY* certified = X509_get0_pubkey(certificate.get());
  if (certified == nullptr) return fail(Errc::not_supported, "the certificate's key is of an unknown kind");
  if (EVP_PKEY_eq(certified, expected.get()) != 1)
    return fail(Errc::not_authentic, "the certificate is of another key");
  if (!is_for_endorsement_keys(certificate.get()))
    return fail(Errc::not_authentic, "the certificate is not one of an endorsement key");
  return certificate;
}

using RevocationList = std::unique_ptr<X509_CRL, With<X509_CRL_free>>;
using RevocationLists = std::vector<RevocationList>;

Result<RevocationLists> revocation_lists(std::span<const std::vector<std::uint8_t>> pems) {
  RevocationLists out;
  for (const auto& pem : pems) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    if (!bio) return fail(Errc::crypto_failed, "revocation lists");
    const std::size_t before = out.size();
    while (RevocationList one{PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr)}) {
      if (out.size() == kRevocationLists) return fail(Errc::limit_exceeded, "revocation lists");
      out.push_back(std::move(one));
    }
    // An operator who puts a list there wants it to count.
    if (out.size() == before) return fail(Errc::malformed, "a file *.crl holds no revocation list in PEM");
  }
  return out;
}

std::string text_of(const ASN1_TIME* time) {
  const Bio bio(BIO_new(BIO_s_mem()));
  char* text = nullptr;
  if (time == nullptr || !bio || ASN1_TIME_print_ex(bio.get(), time, ASN1_DTFLGS_ISO8601) != 1) return "?";
  const long size = BIO_get_mem_data(bio.get(), &text);
  return size <= 0 ? "?" : std::string(text, static_cast<std::size_t>(size));
}

/// Looked up by hand: OpenSSL's own check wants a list of every issuer, and one that is in time.
Status check_revocation(STACK_OF(X509) * chain, const RevocationLists& lists, std::string& looked_at) {
  int without = 0;
  for (int i = 0; i + 1 < sk_X509_num(chain); ++i) {
    X509* const certificate = sk_X509_value(chain, i);
    bool covered = false;
    for (const RevocationList& list : lists) {
      if (X509_NAME_cmp(X509_CRL_get_issuer(list.get()), X509_get_issuer_name(certificate)) != 0) continue;
      const std::string issuer = subject_of(sk_X509_value(chain, i + 1));
      if (X509_CRL_verify(list.get(), X509_get0_pubkey(sk_X509_value(chain, i + 1))) != 1)
        return fail(Errc::not_authentic,
                    "a revocation list in the name of " + issuer + " is not signed by it");
      X509_REVOKED* entry = nullptr;
      if (X509_CRL_get0_by_cert(list.get(), &entry, certificate) == 1)
        return fail(Errc::not_authentic, issuer + " has revoked " + subject_of(certificate) + " on " +
                                             text_of(X509_REVOKED_get0_revocationDate(entry)));
      covered = true;
    }
    if (!covered) ++without;
  }
  looked_at = without == 0 ? "none of the chain is revoked"
                           : "no revocation list for " + std::to_string(without) + " of " +
                                 std::to_string(sk_X509_num(chain) - 1) + " certificates";
  return {};
}

std::string out_of_time(STACK_OF(X509) * chain, std::int64_t now_s) {
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* const certificate = sk_X509_value(chain, i);
    auto now = static_cast<std::time_t>(now_s);
    if (X509_cmp_time(X509_get0_notBefore(certificate), &now) > 0)
      return subject_of(certificate) + " is valid from " + text_of(X509_get0_notBefore(certificate)) + " on";
    if (X509_cmp_time(X509_get0_notAfter(certificate), &now) < 0)
      return subject_of(certificate) + " has expired on " + text_of(X509_get0_notAfter(certificate));
  }
  return {};
}

}  // namespace

Result<EndorsementCertificate> verify_endorsement_certificate(std::span<const std::uint8_t> der,
                                                              const TpmKey& key,
                                                              const TrustedVendors& vendors,
                                                              std::int64_t now_s) {
  AKM_ASSIGN(const Certificate certificate, parse(der, key));
  AKM_ASSIGN(const Trust trust, trust_in(vendors.certificates));
  AKM_ASSIGN(const RevocationLists lists, revocation_lists(vendors.revocations));
  const StoreContext context(X509_STORE_CTX_new());
  if (!context ||
      X509_STORE_CTX_init(context.get(), trust.roots.get(), certificate.get(), trust.between.get()) != 1) {
    return fail(Errc::crypto_failed, "certificate chain");
  }
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_depth(parameters, kChainDepth);
  (void)X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_NO_CHECK_TIME);
  if (X509_verify_cert(context.get()) != 1) {
    return fail(Errc::not_authentic, X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get())));
  }
  STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context.get());
  EndorsementCertificate out;
  AKM_TRY(check_revocation(chain, lists, out.revocation));
  out.root = subject_of(sk_X509_value(chain, sk_X509_num(chain) - 1));
  out.out_of_time = out_of_time(chain, now_s);
  return out;
}

}  // namespace akm::crypto
