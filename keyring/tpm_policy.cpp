#include "keyring/tpm_policy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>

#include "daemon/base/cursor.h"
#include "daemon/base/hex.h"
#include "daemon/crypto/digest.h"

namespace akm::keyring {
namespace {

constexpr std::size_t kSelectOctets = 3;
constexpr std::array<std::uint8_t, 32> kNoPolicy{};

std::array<std::uint8_t, 4> code_bytes(TPM2_CC code) {
  std::array<std::uint8_t, 4> out;
  Writer(out).u32(code);
  return out;
}

std::size_t value_bytes(std::uint32_t mask) {
  return static_cast<std::size_t>(std::popcount(mask)) * kPcrValueBytes;
}

void copy_digest(TPM2B_DIGEST& out, std::span<const std::uint8_t> digest) {
  out.size = static_cast<UINT16>(digest.size());
  std::ranges::copy(digest, out.buffer);
}

}  // namespace

Result<std::uint32_t> pcr_mask(std::span<const std::uint32_t> pcrs) {
  std::uint32_t mask = 0;
  for (const std::uint32_t pcr : pcrs) {
    if (pcr >= kPcrCount) return fail(Errc::invalid_argument, "PCR " + std::to_string(pcr));
    mask |= std::uint32_t{1} << pcr;
  }
  return mask;
}

TPML_PCR_SELECTION pcr_selection(std::uint32_t mask) {
  TPML_PCR_SELECTION selection{};
  selection.count = 1;
  selection.pcrSelections[0].hash = TPM2_ALG_SHA256;
  selection.pcrSelections[0].sizeofSelect = kSelectOctets;
  for (std::size_t i = 0; i < kSelectOctets; ++i) {
    selection.pcrSelections[0].pcrSelect[i] = static_cast<BYTE>(mask >> (8 * i));
  }
  return selection;
}

TPM2B_DIGEST pcr_policy_digest(std::uint32_t mask, std::span<const std::uint8_t> values) {
  const auto pcr_digest = crypto::sha256({values});
  // TPM_CC_PolicyPCR || TPML_PCR_SELECTION || digest of the values
  std::array<std::uint8_t, 4 + 4 + 2 + 1 + kSelectOctets> command;
  Writer writer(command);
  writer.u32(TPM2_CC_PolicyPCR);
  writer.u32(1);
  writer.u16(TPM2_ALG_SHA256);
  writer.u8(kSelectOctets);
  for (std::size_t i = 0; i < kSelectOctets; ++i) writer.u8(static_cast<std::uint8_t>(mask >> (8 * i)));
  TPM2B_DIGEST out{};
  copy_digest(out, crypto::sha256({kNoPolicy, writer.written(), pcr_digest}));
  return out;
}

TPM2B_DIGEST recovery_policy_digest() {
  TPM2B_DIGEST out{};
  copy_digest(out, crypto::sha256({kNoPolicy, code_bytes(TPM2_CC_PolicyAuthValue)}));
  return out;
}

TPM2B_DIGEST authorised_policy_digest(std::span<const std::uint8_t> key_name,
                                      std::span<const std::uint8_t> use) {
  const auto key = crypto::sha256({kNoPolicy, code_bytes(TPM2_CC_PolicyAuthorize), key_name});
  TPM2B_DIGEST out{};
  copy_digest(out, crypto::sha256({key, use}));
  return out;
}

TPM2B_DIGEST either_policy_digest(std::span<const TPM2B_DIGEST> alternatives) {
  crypto::Sha256 hash;
  hash.update(kNoPolicy);
  hash.update(code_bytes(TPM2_CC_PolicyOR));
  for (const TPM2B_DIGEST& one : alternatives) hash.update(std::span(one.buffer, one.size));
  TPM2B_DIGEST out{};
  copy_digest(out, hash.finish());
  return out;
}

Status check_extended(std::uint32_t mask, std::span<const std::uint8_t> values) {
  for (std::uint32_t pcr = 0; pcr < kPcrCount; ++pcr) {
    if ((mask >> pcr & 1) == 0) continue;
    const auto value = values.first(kPcrValueBytes);
    values = values.subspan(kPcrValueBytes);
    for (const std::uint8_t unused : {std::uint8_t{0}, std::uint8_t{0xFF}}) {
      if (std::ranges::all_of(value, [&](std::uint8_t octet) { return octet == unused; })) {
        return fail(Errc::invalid_argument, "nothing was measured into PCR " + std::to_string(pcr) +
                                                " since the start: take it out of sealing.pcrs");
      }
    }
  }
  return {};
}

Result<std::vector<std::uint8_t>> read_pcrs(TpmContext& tpm, std::uint32_t mask) {
  std::array<std::array<std::uint8_t, kPcrValueBytes>, kPcrCount> values{};
  std::uint32_t left = mask;
  // A TPM gives at most eight values a call, and at least one.
  while (left != 0) {
    const TPML_PCR_SELECTION wanted = pcr_selection(left);
    TPML_PCR_SELECTION* raw_selection = nullptr;
    TPML_DIGEST* raw_digests = nullptr;
    UINT32 counter = 0;
    AKM_TRY(tpm.run("Esys_PCR_Read", [&] {
      return Esys_PCR_Read(tpm.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &wanted, &counter,
                           &raw_selection, &raw_digests);
    }));
    const EsysPtr<TPML_PCR_SELECTION> selection(raw_selection);
    const EsysPtr<TPML_DIGEST> digests(raw_digests);
    std::uint32_t got = 0;
    if (selection->count == 1 && selection->pcrSelections[0].hash == TPM2_ALG_SHA256) {
      for (std::size_t i = 0; i < kSelectOctets; ++i) {
        got |= static_cast<std::uint32_t>(selection->pcrSelections[0].pcrSelect[i]) << (8 * i);
      }
    }
    got &= left;
    if (got == 0 || digests->count != static_cast<UINT32>(std::popcount(got))) {
      return fail(Errc::tpm_failed, "the TPM has no SHA-256 bank of PCRs");
    }
    UINT32 next = 0;
    for (std::uint32_t pcr = 0; pcr < kPcrCount; ++pcr) {
      if ((got >> pcr & 1) == 0) continue;
      const TPM2B_DIGEST& digest = digests->digests[next++];
      if (digest.size != kPcrValueBytes) return fail(Errc::tpm_failed, "PCR value of another length");
      std::copy_n(digest.buffer, kPcrValueBytes, values[pcr].begin());
    }
    left &= ~got;
  }
  std::vector<std::uint8_t> out;
  out.reserve(value_bytes(mask));
  for (std::uint32_t pcr = 0; pcr < kPcrCount; ++pcr) {
    if ((mask >> pcr & 1) != 0) out.insert(out.end(), values[pcr].begin(), values[pcr].end());
  }
  return out;
}

std::string differing_pcrs(std::uint32_t mask, std::span<const std::uint8_t> then,
                           std::span<const std::uint8_t> now) {
  if (then.size() != value_bytes(mask) || now.size() != value_bytes(mask)) return {};
  std::string text;
  std::size_t offset = 0;
  for (std::uint32_t pcr = 0; pcr < kPcrCount; ++pcr) {
    if ((mask >> pcr & 1) == 0) continue;
    const auto before = then.subspan(offset, kPcrValueBytes);
    const auto present = now.subspan(offset, kPcrValueBytes);
    if (!std::ranges::equal(before, present)) {
      text.append(text.empty() ? "PCR " : ", PCR ").append(std::to_string(pcr));
      text.append(" is ").append(hex(present)).append(" and was ").append(hex(before));
    }
    offset += kPcrValueBytes;
  }
  return text;
}

}  // namespace akm::keyring
