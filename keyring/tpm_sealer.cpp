#include "keyring/tpm_sealer.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "daemon/base/cursor.h"
#include "daemon/crypto/secret_observer.h"
#include "keyring/sealed_blob.h"
#include "keyring/tpm_marshal.h"
#include "keyring/tpm_policy.h"
#include "keyring/tpm_templates.h"

namespace akm::keyring {
namespace {

constexpr std::size_t kCounterBytes = 8;
constexpr TPMA_NV kCounterAttributes = TPMA_NV_OWNERWRITE | TPMA_NV_AUTHWRITE | TPMA_NV_OWNERREAD |
                                       TPMA_NV_AUTHREAD | TPMA_NV_NO_DA |
                                       (static_cast<TPMA_NV>(TPM2_NT_COUNTER) << TPMA_NV_TPM2_NT_SHIFT);
constexpr TPMA_SESSION kEncryptBoth = TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT;

// sealed_unavailable with the cause, whatever failed below.
std::unexpected<Error> unavailable(const Error& cause) {
  return fail(Errc::sealed_unavailable,
              cause.detail.empty() ? std::string(errc_sentence(cause.code)) : cause.detail);
}

Result<std::vector<std::uint8_t>> name_of(TpmContext& tpm, ESYS_TR object) {
  TPM2B_NAME* raw = nullptr;
  const TSS2_RC response = Esys_TR_GetName(tpm.esys(), object, &raw);
  if (response != TSS2_RC_SUCCESS) return tpm_error("Esys_TR_GetName", response);
  const EsysPtr<TPM2B_NAME> name(raw);
  return std::vector<std::uint8_t>(name->name, name->name + name->size);
}

// True for a persistent object that can serve as our parent: a storage key that is not under the lockout
// logic.
Result<bool> is_storage_key(TpmContext& tpm, ESYS_TR object) {
  TPM2B_PUBLIC* raw = nullptr;
  AKM_TRY(tpm.run("Esys_ReadPublic", [&] {
    return Esys_ReadPublic(tpm.esys(), object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &raw, nullptr,
                           nullptr);
  }));
  const EsysPtr<TPM2B_PUBLIC> area(raw);
  constexpr TPMA_OBJECT kNeeded = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT |
                                  TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
  const TPMT_PUBLIC& key = area->publicArea;
  return (key.type == TPM2_ALG_ECC || key.type == TPM2_ALG_RSA) &&
         (key.objectAttributes & kNeeded) == kNeeded;
}

struct Parent {
  TpmHandle handle;
  std::vector<std::uint8_t> name;
};

Result<Parent> named(TpmContext& tpm, TpmHandle handle) {
  Parent parent;
  AKM_ASSIGN(parent.name, name_of(tpm, handle.get()));
  parent.handle = std::move(handle);
  return parent;
}

// The storage root key: persistent, else made from the ECC template, else from the RSA one. With a name
// given, the one of these that bears it (not_found: none does), so that a key made persistent later changes
// nothing.
Result<Parent> storage_root_key(TpmContext& tpm, std::span<const std::uint8_t> wanted_name) {
  const auto is_wanted = [&](const Parent& parent) {
    return wanted_name.empty() || std::ranges::equal(parent.name, wanted_name);
  };
  auto persistent = tpm.find(kStorageRootKeyHandle, "storage root key");
  if (persistent) {
    AKM_ASSIGN(const bool usable, is_storage_key(tpm, persistent->get()));
    if (usable) {
      AKM_ASSIGN(Parent parent, named(tpm, std::move(*persistent)));
      if (is_wanted(parent)) return parent;
    }
  } else if (persistent.error().code != Errc::not_found) {
    return std::unexpected(std::move(persistent).error());
  }
  Error last{Errc::not_found,
             "the storage root key of this TPM is another: the key was sealed by another machine, or the "
             "TPM was cleared"};
  for (TPM2B_PUBLIC (*make_template)() : std::array{&storage_template_ecc, &storage_template_rsa}) {
    auto made = tpm.create_primary(ESYS_TR_RH_OWNER, make_template(), "Esys_CreatePrimary, storage root key");
    if (!made) {
      // A TPM without this algorithm: the next one. What the last one says is reported.
      if (wanted_name.empty()) last = made.error();
      continue;
    }
    AKM_ASSIGN(Parent parent, named(tpm, std::move(*made)));
    if (is_wanted(parent)) return parent;
  }
  return std::unexpected(std::move(last));
}

// ESYS keeps the last response, decrypted, in its buffer and frees it unwiped: a longer response of no
// importance covers the place.
void cover_last_response(TpmContext& tpm) {
  TPM2B_DIGEST* noise = nullptr;
  if (Esys_GetRandom(tpm.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 48, &noise) == TSS2_RC_SUCCESS) {
    Esys_Free(noise);
  }
}

// The library leaves parameters that it decrypted in frames that have returned: called from the frame above
// them, this writes over the place. Twice what its deepest calls were seen to use.
[[gnu::noinline]] void wipe_stack_below() {
  std::array<std::uint8_t, 64 * 1024> space;
  wipe(space.data(), space.size());
}

Result<StorageKey> take_storage_key(TpmContext& tpm, TPM2B_SENSITIVE_DATA* raw) {
  const EsysPtr<TPM2B_SENSITIVE_DATA> data(raw);
  if (data->size != kStorageKeyBytes) {
    wipe(data->buffer, sizeof data->buffer);
    return fail(Errc::tpm_failed, "the sealed object does not hold a storage key");
  }
  StorageKey key =
      StorageKey::copy_of(std::span<const std::uint8_t, kStorageKeyBytes>(data->buffer, kStorageKeyBytes));
  wipe(data->buffer, sizeof data->buffer);
  cover_last_response(tpm);
  crypto::observe_secret("storage key", key.reveal());
  return key;
}

Result<StorageKey> unseal_plain(TpmContext& tpm, ESYS_TR object, ESYS_TR parent) {
  AKM_ASSIGN(const TpmHandle session, tpm.start_session(TPM2_SE_HMAC, parent, TPMA_SESSION_ENCRYPT));
  TPM2B_SENSITIVE_DATA* data = nullptr;
  AKM_TRY(tpm.run("Esys_Unseal", [&] {
    return Esys_Unseal(tpm.esys(), object, session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &data);
  }));
  return take_storage_key(tpm, data);
}

// What the TPM calls a failed policy, in words: which PCR is not what it was.
Error explain_policy(TpmContext& tpm, const SealedBlob& blob, TSS2_RC response) {
  Error error = tpm_error("Esys_Unseal", response).error();
  if (!is_tpm_code(response, TPM2_RC_POLICY_FAIL)) return error;
  const auto now = read_pcrs(tpm, blob.pcr_mask);
  const std::string differing = now ? differing_pcrs(blob.pcr_mask, blob.pcr_values, *now) : std::string();
  error.detail = differing.empty() ? "the PCR policy of the sealed key is not met"
                                   : differing +
                                         " differs from the value at sealing: other firmware, kernel or boot "
                                         "configuration, or tampering";
  return error;
}

Result<StorageKey> unseal_with_pcrs(TpmContext& tpm, ESYS_TR object, ESYS_TR parent, const SealedBlob& blob) {
  const TPML_PCR_SELECTION selection = pcr_selection(blob.pcr_mask);
  const TPM2B_DIGEST present{};  // empty: the values of this moment
  TSS2_RC response = TPM2_RC_PCR_CHANGED;
  // Any PCR update between PolicyPCR and Unseal, also of PCRs that do not matter here, makes the TPM drop the
  // session.
  for (int attempt = 0; attempt < kPcrChangedTriesMax && is_tpm_code(response, TPM2_RC_PCR_CHANGED);
       ++attempt) {
    AKM_ASSIGN(const TpmHandle session, tpm.start_session(TPM2_SE_POLICY, parent, TPMA_SESSION_ENCRYPT));
    response = tpm.submit([&] {
      return Esys_PolicyPCR(tpm.esys(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &present,
                            &selection);
    });
    if (response != TSS2_RC_SUCCESS) continue;
    TPM2B_SENSITIVE_DATA* data = nullptr;
    response = tpm.submit(
        [&] { return Esys_Unseal(tpm.esys(), object, session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &data); });
    if (response == TSS2_RC_SUCCESS) return take_storage_key(tpm, data);
  }
  return std::unexpected(explain_policy(tpm, blob, response));
}

Result<StorageKey> unseal_blob(TpmContext& tpm, const SealedBlob& blob) {
  AKM_ASSIGN(const TPM2B_PUBLIC public_area,
             unmarshalled<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Unmarshal, blob.public_part));
  AKM_ASSIGN(const TPM2B_PRIVATE private_area,
             unmarshalled<TPM2B_PRIVATE>(Tss2_MU_TPM2B_PRIVATE_Unmarshal, blob.private_part));
  AKM_ASSIGN(const Parent parent, storage_root_key(tpm, blob.parent));
  ESYS_TR loaded = ESYS_TR_NONE;
  {
    AKM_ASSIGN(const TpmHandle session, tpm.start_session(TPM2_SE_HMAC, parent.handle.get(), kEncryptBoth));
    AKM_TRY(tpm.run("Esys_Load", [&] {
      return Esys_Load(tpm.esys(), parent.handle.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE,
                       &private_area, &public_area, &loaded);
    }));
  }
  const TpmHandle object(tpm.esys(), loaded, TpmHandle::Kind::transient);
  if (blob.pcr_mask == 0) return unseal_plain(tpm, object.get(), parent.handle.get());
  return unseal_with_pcrs(tpm, object.get(), parent.handle.get(), blob);
}

// The counter's index, defined now if nobody has.
Result<TpmHandle> counter_index(TpmContext& tpm, TPM2_HANDLE index) {
  auto found = tpm.find(index, "NV index");
  if (found || found.error().code != Errc::not_found) return found;
  TPM2B_NV_PUBLIC area{};
  area.nvPublic.nvIndex = index;
  area.nvPublic.nameAlg = TPM2_ALG_SHA256;
  area.nvPublic.attributes = kCounterAttributes;
  area.nvPublic.dataSize = kCounterBytes;
  const TPM2B_AUTH empty{};
  ESYS_TR handle = ESYS_TR_NONE;
  AKM_TRY(tpm.run("Esys_NV_DefineSpace, incarnation counter", [&] {
    return Esys_NV_DefineSpace(tpm.esys(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                               &empty, &area, &handle);
  }));
  return TpmHandle(tpm.esys(), handle, TpmHandle::Kind::persistent);
}

Status check_counter(TpmContext& tpm, ESYS_TR index, TPM2_HANDLE number) {
  TPM2B_NV_PUBLIC* raw = nullptr;
  AKM_TRY(tpm.run("Esys_NV_ReadPublic", [&] {
    return Esys_NV_ReadPublic(tpm.esys(), index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &raw, nullptr);
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

Result<std::uint64_t> read_counter(TpmContext& tpm, ESYS_TR index) {
  TPM2B_MAX_NV_BUFFER* raw = nullptr;
  AKM_TRY(tpm.run("Esys_NV_Read", [&] {
    return Esys_NV_Read(tpm.esys(), index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, kCounterBytes,
                        0, &raw);
  }));
  const EsysPtr<TPM2B_MAX_NV_BUFFER> data(raw);
  Reader reader(std::span<const std::uint8_t>(data->buffer, data->size));
  const std::uint64_t value = reader.u64();
  if (!reader.done()) return fail(Errc::tpm_failed, "the counter has another size");
  return value;
}

}  // namespace

Status TpmSealer::probe() {
  AKM_ASSIGN(const std::unique_ptr<TpmContext> tpm, opener_());
  const TpmProperties& properties = tpm->properties();
  description_ = "TPM 2.0 (" + properties.manufacturer;
  if (!properties.vendor.empty()) description_ += " " + properties.vendor;
  description_ += ", firmware " + properties.firmware + ")";
  return {};
}

std::string TpmSealer::description() const {
  return description_;
}

Result<std::vector<std::uint8_t>> TpmSealer::seal(const StorageKey& key) {
  AKM_ASSIGN(const std::unique_ptr<TpmContext> tpm, opener_());
  SealedBlob blob;
  blob.kind = SealerKind::tpm;
  AKM_ASSIGN(blob.pcr_mask, pcr_mask(options_.pcrs));
  TPM2B_PUBLIC area = sealed_object_template();
  if (blob.pcr_mask != 0) {
    AKM_ASSIGN(blob.pcr_values, read_pcrs(*tpm, blob.pcr_mask));
    area.publicArea.authPolicy = pcr_policy_digest(blob.pcr_mask, blob.pcr_values);
    area.publicArea.objectAttributes &= ~TPMA_OBJECT_USERWITHAUTH;  // by the policy only
  }
  AKM_ASSIGN(const Parent parent, storage_root_key(*tpm, {}));
  AKM_ASSIGN(const TpmHandle session, tpm->start_session(TPM2_SE_HMAC, parent.handle.get(), kEncryptBoth));
  blob.parent = parent.name;

  TPM2B_SENSITIVE_CREATE sensitive{};
  sensitive.sensitive.data.size = kStorageKeyBytes;
  std::ranges::copy(key.reveal(), sensitive.sensitive.data.buffer);
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION no_pcrs{};
  TPM2B_PRIVATE* raw_private = nullptr;
  TPM2B_PUBLIC* raw_public = nullptr;
  const Status created = tpm->run("Esys_Create, sealed key", [&] {
    return Esys_Create(tpm->esys(), parent.handle.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE,
                       &sensitive, &area, &outside, &no_pcrs, &raw_private, &raw_public, nullptr, nullptr,
                       nullptr);
  });
  wipe(&sensitive, sizeof sensitive);
  wipe_stack_below();
  AKM_TRY(created);
  const EsysPtr<TPM2B_PRIVATE> private_area(raw_private);
  const EsysPtr<TPM2B_PUBLIC> public_area(raw_public);
  AKM_ASSIGN(blob.public_part, marshalled<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Marshal, *public_area));
  AKM_ASSIGN(blob.private_part, marshalled<TPM2B_PRIVATE>(Tss2_MU_TPM2B_PRIVATE_Marshal, *private_area));
  return encode_sealed_blob(blob);
}

Result<StorageKey> TpmSealer::unseal(std::span<const std::uint8_t> blob) {
  const auto decoded = decode_sealed_blob(blob);
  if (!decoded) return unavailable(decoded.error());
  if (decoded->kind != SealerKind::tpm) {
    return fail(Errc::sealed_unavailable, "the key was sealed in software, the configuration says TPM");
  }
  const auto tpm = opener_();
  if (!tpm) return unavailable(tpm.error());
  auto key = unseal_blob(**tpm, *decoded);
  wipe_stack_below();
  if (!key) return unavailable(key.error());
  return key;
}

// Without a session: the number is no secret, and one that somebody on the bus to the TPM made up is caught
// by the salt, which is drawn at each start (protocol section 1).
Result<std::uint32_t> TpmSealer::next_incarnation() {
  AKM_ASSIGN(const std::unique_ptr<TpmContext> tpm, opener_());
  AKM_ASSIGN(const TpmHandle index, counter_index(*tpm, options_.nv_index));
  AKM_TRY(check_counter(*tpm, index.get(), options_.nv_index));
  AKM_TRY(tpm->run("Esys_NV_Increment", [&] {
    return Esys_NV_Increment(tpm->esys(), index.get(), index.get(), ESYS_TR_PASSWORD, ESYS_TR_NONE,
                             ESYS_TR_NONE);
  }));
  AKM_ASSIGN(const std::uint64_t value, read_counter(*tpm, index.get()));
  if (value > UINT32_MAX) return fail(Errc::exhausted, "the TPM's incarnation counter is above 2^32 - 1");
  return static_cast<std::uint32_t>(value);
}

Result<std::vector<std::string>> TpmSealer::erase() {
  AKM_ASSIGN(const std::unique_ptr<TpmContext> tpm, opener_());
  const auto index = tpm->find(options_.nv_index, "NV index");
  if (!index && index.error().code == Errc::not_found) return std::vector<std::string>{};
  if (!index) return std::unexpected(index.error());
  AKM_TRY(check_counter(*tpm, index->get(), options_.nv_index));
  AKM_TRY(tpm->run("Esys_NV_UndefineSpace, incarnation counter", [&] {
    return Esys_NV_UndefineSpace(tpm->esys(), ESYS_TR_RH_OWNER, index->get(), ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                 ESYS_TR_NONE);
  }));
  return std::vector<std::string>{"tpm-nv-counter"};
}

}  // namespace akm::keyring
