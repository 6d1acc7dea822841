#pragma once
// Certificates of a vendor of TPMs that is not one: a root, one between, and one of an endorsement key.
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <string>
#include <vector>

namespace akm::testing {

class PaperVendor {
 public:
  using Bytes = std::vector<std::uint8_t>;

  PaperVendor()
      : root_key_(EVP_EC_gen("prime256v1")),
        between_key_(EVP_EC_gen("prime256v1")),
        root_(issue("Vendor Root", root_key_, "Vendor Root", root_key_, "critical,CA:TRUE", nullptr)),
        between_(
            issue("Vendor Between", between_key_, "Vendor Root", root_key_, "critical,CA:TRUE", nullptr)) {}
  PaperVendor(const PaperVendor&) = delete;
  PaperVendor& operator=(const PaperVendor&) = delete;
  ~PaperVendor() {
    X509_free(root_);
    X509_free(between_);
    EVP_PKEY_free(root_key_);
    EVP_PKEY_free(between_key_);
  }

  [[nodiscard]] Bytes root() const { return pem(root_); }
  [[nodiscard]] Bytes between() const { return pem(between_); }
  /// DER. `usage`: its extended key usages, none when null. Long expired, as those of old TPMs are.
  [[nodiscard]] Bytes certify(EVP_PKEY* key, const char* usage = "2.23.133.8.1") const {
    X509* made = issue("TPM", key, "Vendor Between", between_key_, "critical,CA:FALSE", usage);
    unsigned char* der = nullptr;
    const int size = i2d_X509(made, &der);
    Bytes out(der, der + size);
    OPENSSL_free(der);
    X509_free(made);
    return out;
  }
  /// PEM: a list of the one between, or of the root, with one serial in it; all certificates here have 7.
  [[nodiscard]] Bytes revoke_by_between(long serial) const {
    return revoke("Vendor Between", between_key_, serial);
  }
  [[nodiscard]] Bytes revoke_by_root(long serial) const { return revoke("Vendor Root", root_key_, serial); }

 private:
  static Bytes revoke(const char* issuer, EVP_PKEY* signer, long serial) {
    X509_CRL* list = X509_CRL_new();
    (void)X509_CRL_set_version(list, 1);
    X509_NAME* who = X509_NAME_new();
    name(who, issuer);
    (void)X509_CRL_set_issuer_name(list, who);
    X509_NAME_free(who);
    ASN1_TIME* when = ASN1_TIME_new();
    (void)ASN1_TIME_set_string(when, "150601000000Z");
    (void)X509_CRL_set1_lastUpdate(list, when);
    X509_REVOKED* entry = X509_REVOKED_new();
    ASN1_INTEGER* number = ASN1_INTEGER_new();
    (void)ASN1_INTEGER_set(number, serial);
    (void)X509_REVOKED_set_serialNumber(entry, number);
    (void)X509_REVOKED_set_revocationDate(entry, when);
    (void)X509_CRL_add0_revoked(list, entry);
    ASN1_INTEGER_free(number);
    ASN1_TIME_free(when);
    (void)X509_CRL_sort(list);
    (void)X509_CRL_sign(list, signer, EVP_sha256());
    BIO* bio = BIO_new(BIO_s_mem());
    (void)PEM_write_bio_X509_CRL(bio, list);
    X509_CRL_free(list);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    Bytes out(text, text + size);
    BIO_free(bio);
    return out;
  }
  static void name(X509_NAME* name, const char* text) {
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text),
                                     -1, -1, 0);
  }
  static void extend(X509* certificate, int kind, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
    (void)X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  static X509* issue(const char* subject, EVP_PKEY* key, const char* issuer, EVP_PKEY* signer,
                     const char* constraints, const char* usage) {
    X509* out = X509_new();
    (void)X509_set_version(out, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(out), 7);
    (void)ASN1_TIME_set_string(X509_getm_notBefore(out), "150101000000Z");
    (void)ASN1_TIME_set_string(X509_getm_notAfter(out), "160101000000Z");
    name(X509_get_subject_name(out), subject);
    name(X509_get_issuer_name(out), issuer);
    (void)X509_set_pubkey(out, key);
    extend(out, NID_basic_constraints, constraints);
    if (usage != nullptr) extend(out, NID_ext_key_usage, usage);
    (void)X509_sign(out, signer, EVP_sha256());
    return out;
  }
  static Bytes pem(X509* certificate) {
    BIO* bio = BIO_new(BIO_s_mem());
    (void)PEM_write_bio_X509(bio, certificate);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    Bytes out(text, text + size);
    BIO_free(bio);
    return out;
  }

  EVP_PKEY* root_key_;
  EVP_PKEY* between_key_;
  X509* root_;
  X509* between_;
};

}  // namespace akm::testing
