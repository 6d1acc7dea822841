#include "keyring/tpm_attestor.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include "daemon/crypto/digest.h"
#include "keyring/sealer.h"
#include "keyring/tpm_keys.h"
#include "keyring/tpm_marshal.h"
#include "keyring/tpm_policy.h"

namespace akm::keyring {
namespace {

constexpr std::size_t kChunkBytes = 4096;

/// In pieces: a log can be larger than what should be held at once, and grows while it is read.
Result<std::array<std::uint8_t, 32>> digest_of_log(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::array<std::uint8_t, 32>{};
  crypto::Sha256 hash;
  std::array<char, kChunkBytes> chunk{};
  std::size_t total = 0;
  while (in) {
    in.read(chunk.data(), chunk.size());
    const auto got = static_cast<std::size_t>(in.gcount());
    total += got;
    if (total > kEventLogMaxBytes) return fail(Errc::too_large, path);
    hash.update(std::span(reinterpret_cast<const std::uint8_t*>(chunk.data()), got));
  }
  if (in.bad()) return fail(Errc::io_failed, path);
  return hash.finish();
}

}  // namespace

Result<TpmQuote> TpmAttestor::quote(std::span<const std::uint8_t> nonce, std::uint32_t pcr_mask) const {
  if (nonce.size() > kQuoteNonceMaxBytes) return fail(Errc::invalid_argument, "nonce of a quote");
  if (pcr_mask >> kPcrCount != 0) return fail(Errc::invalid_argument, "PCRs are 0 to 23");
  AKM_ASSIGN(const std::unique_ptr<TpmContext> tpm, opener_());
  // The salt's key is not pinned: nothing here is secret, and the signature is what counts.
  AKM_ASSIGN(const TpmHandle salt, primary_storage_key(*tpm));
  AKM_ASSIGN(const TpmHandle key, primary_attestation_key(*tpm));
  AKM_ASSIGN(const TpmHandle session,
             tpm->start_session(TPM2_SE_HMAC, salt.get(), TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT));
  TPM2B_DATA qualifying{};
  qualifying.size = static_cast<UINT16>(nonce.size());
  std::ranges::copy(nonce, qualifying.buffer);
  TPMT_SIG_SCHEME scheme{};
  scheme.scheme = TPM2_ALG_NULL;  // the key's own
  const TPML_PCR_SELECTION selection = pcr_selection(pcr_mask);
  TPM2B_ATTEST* raw_quote = nullptr;
  TPMT_SIGNATURE* raw_signature = nullptr;
  AKM_TRY(tpm->run("Esys_Quote", [&] {
    return Esys_Quote(tpm->esys(), key.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &qualifying, &scheme,
                      &selection, &raw_quote, &raw_signature);
  }));
  const EsysPtr<TPM2B_ATTEST> quoted(raw_quote);
  const EsysPtr<TPMT_SIGNATURE> signature(raw_signature);
  TpmQuote out;
  out.quote.assign(quoted->attestationData, quoted->attestationData + quoted->size);
  AKM_ASSIGN(out.signature, marshalled<TPMT_SIGNATURE>(Tss2_MU_TPMT_SIGNATURE_Marshal, *signature));
  AKM_ASSIGN(out.key, public_area_of(*tpm, key.get()));
  AKM_ASSIGN(out.log, digest_of_log(event_log_));
  return out;
}

bool tpm_is_expected(const std::string& tcti) {
  constexpr std::string_view kDevice = "device:";
  const std::string way = tcti.empty() ? kDefaultTcti : tcti;
  return !way.starts_with(kDevice) || std::filesystem::exists(way.substr(kDevice.size()));
}

Quoter tpm_quoter(const std::string& tcti) {
  if (!tpm_is_expected(tcti)) return {};
  const TpmAttestor attestor(tpm_opener(tcti.empty() ? kDefaultTcti : tcti));
  return [attestor](std::span<const std::uint8_t> nonce, std::uint32_t pcr_mask) {
    return attestor.quote(nonce, pcr_mask);
  };
}

}  // namespace akm::keyring
