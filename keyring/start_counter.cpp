#include "keyring/start_counter.h"

#include <cstdio>
#include <span>
#include <string>

#include "daemon/base/cursor.h"

namespace akm::keyring {
namespace {

constexpr std::size_t kCounterBytes = 8;
constexpr TPMA_NV kCounterAttributes = TPMA_NV_OWNERWRITE | TPMA_NV_AUTHWRITE | TPMA_NV_OWNERREAD |
                                       TPMA_NV_AUTHREAD | TPMA_NV_NO_DA |
                                       (static_cast<TPMA_NV>(TPM2_NT_COUNTER) << TPMA_NV_TPM2_NT_SHIFT);

// The counter's index, defined now if nobody has.
Result<TpmHandle> counter_index(TpmContext& tpm, ESYS_TR session, TPM2_HANDLE index) {
  auto found = tpm.find(index, "NV index");
  if (found || found.error().code != Errc::not_found) return found;
  TPM2B_NV_PUBLIC area{};
  area.nvPublic.nvIndex = index;
  area.nvPublic.nameAlg = TPM2_ALG_SHA256;
  area.nvPublic.attributes = kCounterAttributes;
  area.nvPublic.dataSize = kCounterBytes;
  const TPM2B_AUTH empty{};
  ESYS_TR handle = ESYS_TR_NONE;
  AKM_TRY(tpm.set_session(session, TPMA_SESSION_DECRYPT));
  AKM_TRY(tpm.run("Esys_NV_DefineSpace, incarnation counter", [&] {
    return Esys_NV_DefineSpace(tpm.esys(), ESYS_TR_RH_OWNER, session, ESYS_TR_NONE, ESYS_TR_NONE, &empty,
                               &area, &handle);
  }));
  return TpmHandle(tpm.esys(), handle, TpmHandle::Kind::persistent);
}

Status check_counter(TpmContext& tpm, ESYS_TR session, ESYS_TR index, TPM2_HANDLE number) {
  TPM2B_NV_PUBLIC* raw = nullptr;
  AKM_TRY(tpm.set_session(session, TPMA_SESSION_ENCRYPT));
  AKM_TRY(tpm.run("Esys_NV_ReadPublic", [&] {
    return Esys_NV_ReadPublic(tpm.esys(), index, session, ESYS_TR_NONE, ESYS_TR_NONE, &raw, nullptr);
  }));
  const EsysPtr<TPM2B_NV_PUBLIC> area(raw);
  const TPMA_NV attributes = area->nvPublic.attributes & ~TPMA_NV_WRITTEN;
  if (attributes == kCounterAttributes && area->nvPublic.dataSize == kCounterBytes) return {};
  char text[16];
  (void)std::snprintf(text, sizeof text, "0x%08x", number);
  return fail(Errc::tpm_failed,
              std::string("NV index ") + text +
                  " is there but is no counter of AKM; configure another index for this daemon");
}

Result<std::uint64_t> read_counter(TpmContext& tpm, ESYS_TR session, ESYS_TR index) {
  TPM2B_MAX_NV_BUFFER* raw = nullptr;
  AKM_TRY(tpm.set_session(session, TPMA_SESSION_ENCRYPT));
  AKM_TRY(tpm.run("Esys_NV_Read", [&] {
    return Esys_NV_Read(tpm.esys(), index, index, session, ESYS_TR_NONE, ESYS_TR_NONE, kCounterBytes, 0,
                        &raw);
  }));
  const EsysPtr<TPM2B_MAX_NV_BUFFER> data(raw);
  Reader reader(std::span<const std::uint8_t>(data->buffer, data->size));
  const std::uint64_t value = reader.u64();
  if (!reader.done()) return fail(Errc::tpm_failed, "the counter has another size");
  return value;
}

}  // namespace

Result<std::uint64_t> raise_start_counter(TpmContext& tpm, const StorageRoot& root, TPM2_HANDLE number) {
  AKM_ASSIGN(const TpmHandle session, tpm.start_session(TPM2_SE_HMAC, root.handle.get(), 0));
  AKM_ASSIGN(const TpmHandle index, counter_index(tpm, session.get(), number));
  AKM_TRY(check_counter(tpm, session.get(), index.get(), number));
  AKM_TRY(tpm.set_session(session.get(), 0));
  AKM_TRY(tpm.run("Esys_NV_Increment", [&] {
    return Esys_NV_Increment(tpm.esys(), index.get(), index.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE);
  }));
  return read_counter(tpm, session.get(), index.get());
}

Result<bool> erase_start_counter(TpmContext& tpm, const StorageRoot& root, TPM2_HANDLE number) {
  const auto index = tpm.find(number, "NV index");
  if (!index && index.error().code == Errc::not_found) return false;
  if (!index) return std::unexpected(index.error());
  AKM_ASSIGN(const TpmHandle session, tpm.start_session(TPM2_SE_HMAC, root.handle.get(), 0));
  AKM_TRY(check_counter(tpm, session.get(), index->get(), number));
  AKM_TRY(tpm.set_session(session.get(), 0));
  AKM_TRY(tpm.run("Esys_NV_UndefineSpace, incarnation counter", [&] {
    return Esys_NV_UndefineSpace(tpm.esys(), ESYS_TR_RH_OWNER, index->get(), session.get(), ESYS_TR_NONE,
                                 ESYS_TR_NONE);
  }));
  return true;
}

}  // namespace akm::keyring
