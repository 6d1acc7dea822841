#include "keyring/tpm_sealer.h"

#include <algorithm>
#include <array>
#include <functional>

#include "daemon/crypto/secret_observer.h"
#include "keyring/policy_key.h"
#include "keyring/start_counter.h"
#include "keyring/tpm_marshal.h"
#include "keyring/tpm_policy.h"
#include "keyring/tpm_templates.h"
#include "keyring/tpm_traces.h"
#include "keyring/unseal_policy.h"

namespace akm::keyring {
namespace {

constexpr TPMA_SESSION kEncryptBoth = TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT;

// sealed_unavailable with the cause, whatever failed below.
std::unexpected<Error> unavailable(const Error& cause) {
  return fail(Errc::sealed_unavailable,
              cause.detail.empty() ? std::string(errc_sentence(cause.code)) : cause.detail);
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

// A sealed object inside the TPM, and its parent.
struct Loaded {
  StorageRoot root;
  TpmHandle object;
};

Result<Loaded> load(TpmContext& tpm, const SealedBlob& blob) {
  AKM_ASSIGN(const TPM2B_PUBLIC public_area,
             unmarshalled<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Unmarshal, blob.public_part));
  AKM_ASSIGN(const TPM2B_PRIVATE private_area,
             unmarshalled<TPM2B_PRIVATE>(Tss2_MU_TPM2B_PRIVATE_Unmarshal, blob.private_part));
  Loaded out;
  AKM_ASSIGN(out.root, storage_root_key(tpm, {blob.parent, blob.endorsement}));
  AKM_ASSIGN(const TpmHandle session, tpm.start_session(TPM2_SE_HMAC, out.root.handle.get(), kEncryptBoth));
  ESYS_TR loaded = ESYS_TR_NONE;
  AKM_TRY(tpm.run("Esys_Load", [&] {
    return Esys_Load(tpm.esys(), out.root.handle.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE,
                     &private_area, &public_area, &loaded);
  }));
  out.object = TpmHandle(tpm.esys(), loaded, TpmHandle::Kind::transient);
  return out;
}

Result<StorageKey> unseal_plain(TpmContext& tpm, const Loaded& loaded) {
  AKM_ASSIGN(const TpmHandle session,
             tpm.start_session(TPM2_SE_HMAC, loaded.root.handle.get(), TPMA_SESSION_ENCRYPT));
  TPM2B_SENSITIVE_DATA* data = nullptr;
  AKM_TRY(tpm.run("Esys_Unseal", [&] {
    return Esys_Unseal(tpm.esys(), loaded.object.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &data);
  }));
  return take_storage_key(tpm, data);
}

using Meet = std::function<TSS2_RC(ESYS_TR session)>;

// `refused` is the TPM's last word when it opens nothing.
Result<StorageKey> unseal_by(TpmContext& tpm, const Loaded& loaded, const Meet& meet, TSS2_RC& refused) {
  refused = TPM2_RC_PCR_CHANGED;
  // A session of its own hides the answer: with the policy's, the TPM would encrypt under the object's
  // authorisation value too (part 1, 21.3), which only the recovery secret gives.
  AKM_ASSIGN(const TpmHandle cover,
             tpm.start_session(TPM2_SE_HMAC, loaded.root.handle.get(), TPMA_SESSION_ENCRYPT));
  // Any PCR update between PolicyPCR and Unseal, also of PCRs that do not matter here, makes the TPM drop the
  // session.
  for (int attempt = 0; attempt < kPcrChangedTriesMax && is_tpm_code(refused, TPM2_RC_PCR_CHANGED);
       ++attempt) {
    AKM_ASSIGN(const TpmHandle session, tpm.start_session(TPM2_SE_POLICY, loaded.root.handle.get(), 0));
    refused = meet(session.get());
    if (refused != TSS2_RC_SUCCESS) continue;
    TPM2B_SENSITIVE_DATA* data = nullptr;
    refused = tpm.submit([&] {
      return Esys_Unseal(tpm.esys(), loaded.object.get(), session.get(), cover.get(), ESYS_TR_NONE, &data);
    });
    if (refused == TSS2_RC_SUCCESS) return take_storage_key(tpm, data);
  }
  return tpm_error("Esys_Unseal", refused);
}

// Which PCR is not what it was, and the ways in that are left.
Error pcrs_differ(const SealedBlob& blob, std::span<const std::uint8_t> present) {
  const std::string differing = differing_pcrs(blob.pcr_mask, blob.pcr_values, present);
  std::string text = differing.empty() ? "the PCR policy of the sealed key is not met"
                                       : differing +
                                             " at sealing: other firmware, kernel or boot "
                                             "configuration, or tampering";
  text += "; boot what was sealed to, or, if the change is yours, open it with the recovery secret";
  if (!blob.policy_key.empty()) text += " or have the policy key sign the new values before the next change";
  return {Errc::sealed_unavailable, std::move(text) + " (akmctl node recover)"};
}

// The set of authorised values that the machine has at present, if any.
const AuthorisedPcrs* authorised_now(const SealedBlob& blob, std::span<const std::uint8_t> present) {
  const auto found = std::ranges::find_if(
      blob.authorised, [&](const AuthorisedPcrs& one) { return std::ranges::equal(one.values, present); });
  return found == blob.authorised.end() ? nullptr : &*found;
}

Result<StorageKey> unseal_with_pcrs(TpmContext& tpm, const SealedBlob& blob) {
  AKM_TRY(check_recorded_values(blob));
  AKM_ASSIGN(const auto present, read_pcrs(tpm, blob.pcr_mask));
  const bool as_sealed = std::ranges::equal(present, blob.pcr_values);
  const AuthorisedPcrs* const authorised = authorised_now(blob, present);
  if (!as_sealed && authorised == nullptr) {
    // The file's own word is enough for the message only if the TPM takes it for genuine.
    AKM_TRY(load(tpm, blob));
    return std::unexpected(pcrs_differ(blob, present));
  }
  TPMT_TK_VERIFIED ticket{};
  if (!as_sealed) {
    AKM_ASSIGN(ticket, verify_authorisation(tpm, blob, *authorised));
  }
  AKM_ASSIGN(const Loaded loaded, load(tpm, blob));
  TSS2_RC refused = TSS2_RC_SUCCESS;
  auto key = unseal_by(
      tpm, loaded,
      [&](ESYS_TR session) {
        return as_sealed ? meet_by_pcrs(tpm, session, blob)
                         : meet_by_authorisation(tpm, session, blob, *authorised, ticket);
      },
      refused);
  if (key || !is_tpm_code(refused, TPM2_RC_POLICY_FAIL)) return key;
  const auto now = read_pcrs(tpm, blob.pcr_mask);
  return std::unexpected(pcrs_differ(blob, now ? *now : present));
}

Result<StorageKey> unseal_by_recovery(TpmContext& tpm, const SealedBlob& blob,
                                      std::span<const std::uint8_t> secret) {
  AKM_TRY(check_recorded_values(blob));
  AKM_ASSIGN(const SecretBytes<32> authorisation, recovery_authorisation(secret));
  AKM_ASSIGN(const Loaded loaded, load(tpm, blob));
  TPM2B_AUTH auth{};
  auth.size = 32;
  std::ranges::copy(authorisation.reveal(), auth.buffer);
  TSS2_RC refused = Esys_TR_SetAuth(tpm.esys(), loaded.object.get(), &auth);
  wipe(&auth, sizeof auth);
  if (refused != TSS2_RC_SUCCESS) return tpm_error("Esys_TR_SetAuth", refused);
  auto key =
      unseal_by(tpm, loaded, [&](ESYS_TR session) { return meet_by_recovery(tpm, session, blob); }, refused);
  // ESYS keeps the value beside the object until the end of the connection, and frees it unwiped.
  (void)Esys_TR_SetAuth(tpm.esys(), loaded.object.get(), &auth);
  if (!key && (is_tpm_code(refused, TPM2_RC_AUTH_FAIL) || is_tpm_code(refused, TPM2_RC_BAD_AUTH))) {
    return fail(Errc::not_authentic, "this is not the recovery secret that the key was sealed with");
  }
  return key;
}

// Creates the object; its parts go into the blob.
Status create(TpmContext& tpm, const StorageRoot& root, const TPM2B_PUBLIC& area,
              TPM2B_SENSITIVE_CREATE& sensitive, SealedBlob& blob) {
  AKM_ASSIGN(const TpmHandle session, tpm.start_session(TPM2_SE_HMAC, root.handle.get(), kEncryptBoth));
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION no_pcrs{};
  TPM2B_PRIVATE* raw_private = nullptr;
  TPM2B_PUBLIC* raw_public = nullptr;
  AKM_TRY(tpm.run("Esys_Create, sealed key", [&] {
    return Esys_Create(tpm.esys(), root.handle.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                       &area, &outside, &no_pcrs, &raw_private, &raw_public, nullptr, nullptr, nullptr);
  }));
  const EsysPtr<TPM2B_PRIVATE> private_area(raw_private);
  const EsysPtr<TPM2B_PUBLIC> public_area(raw_public);
  AKM_ASSIGN(blob.public_part, marshalled<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Marshal, *public_area));
  AKM_ASSIGN(blob.private_part, marshalled<TPM2B_PRIVATE>(Tss2_MU_TPM2B_PRIVATE_Marshal, *private_area));
  return {};
}

// With the key and the authorisation value, both wiped again.
Status create_sealed(TpmContext& tpm, const StorageRoot& root, const TPM2B_PUBLIC& area,
                     const StorageKey& key, std::span<const std::uint8_t> authorisation, SealedBlob& blob) {
  TPM2B_SENSITIVE_CREATE sensitive{};
  sensitive.sensitive.data.size = kStorageKeyBytes;
  std::ranges::copy(key.reveal(), sensitive.sensitive.data.buffer);
  sensitive.sensitive.userAuth.size = static_cast<UINT16>(authorisation.size());
  std::ranges::copy(authorisation, sensitive.sensitive.userAuth.buffer);
  const Status created = create(tpm, root, area, sensitive, blob);
  wipe(&sensitive, sizeof sensitive);
  wipe_stack_below();
  return created;
}

Result<SealedBlob> decode_tpm_blob(std::span<const std::uint8_t> bytes) {
  auto blob = decode_sealed_blob(bytes);
  if (!blob) return unavailable(blob.error());
  if (blob->kind != SealerKind::tpm) {
    return fail(Errc::sealed_unavailable,
                std::string(blob->kind == SealerKind::token ? "the key was sealed by a token"
                                                            : "the key was sealed in software") +
                    ", the configuration says TPM");
  }
  return blob;
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
  AKM_ASSIGN(const StorageRoot root, storage_root_key(*tpm, pinned_));
  blob.parent = root.name;
  blob.endorsement = endorsement_name(*tpm);
  AKM_TRY(create_sealed(*tpm, root, sealed_object_template(), key, {}, blob));
  pin(blob);
  return encode_sealed_blob(blob);
}

Result<std::vector<std::uint8_t>> TpmSealer::seal_to_pcrs(const StorageKey& key, const PcrBinding& binding,
                                                          std::span<const std::uint8_t> recovery) {
  AKM_ASSIGN(const SecretBytes<32> authorisation, recovery_authorisation(recovery));
  std::vector<std::uint8_t> sealed;
  {
    AKM_ASSIGN(const std::unique_ptr<TpmContext> tpm, opener_());
    SealedBlob blob;
    blob.pcr_mask = binding.mask;
    blob.policy_key = binding.policy_key;
    AKM_ASSIGN(blob.pcr_values, read_pcrs(*tpm, blob.pcr_mask));
    AKM_TRY(check_extended(blob.pcr_mask, blob.pcr_values));
    AKM_ASSIGN(const StorageRoot root, storage_root_key(*tpm, pinned_));
    blob.parent = root.name;
    blob.endorsement = endorsement_name(*tpm);
    TPM2B_PUBLIC area = sealed_object_template();
    AKM_ASSIGN(area.publicArea.authPolicy, unseal_policy(blob));
    area.publicArea.objectAttributes &= ~TPMA_OBJECT_USERWITHAUTH;  // by the policy only
    AKM_TRY(create_sealed(*tpm, root, area, key, authorisation.reveal(), blob));
    AKM_ASSIGN(sealed, encode_sealed_blob(blob));
  }
  // The other way in is tried before the first is relied on.
  AKM_ASSIGN(const StorageKey recovered, recover(sealed, recovery));
  AKM_ASSIGN(const StorageKey opened, unseal(sealed));
  if (!(recovered == key) || !(opened == key))
    return fail(Errc::tpm_failed, "the sealed key opened to another");
  return sealed;
}

Result<StorageKey> TpmSealer::unseal(std::span<const std::uint8_t> bytes) {
  AKM_ASSIGN(const SealedBlob blob, decode_tpm_blob(bytes));
  const auto tpm = opener_();
  if (!tpm) return unavailable(tpm.error());
  Result<StorageKey> key = fail(Errc::internal);
  if (blob.pcr_mask != 0) {
    key = unseal_with_pcrs(**tpm, blob);
  } else {
    const auto loaded = load(**tpm, blob);
    key = loaded ? unseal_plain(**tpm, *loaded) : std::unexpected(loaded.error());
  }
  wipe_stack_below();
  if (!key) return unavailable(key.error());
  pin(blob);
  return key;
}

Result<StorageKey> TpmSealer::recover(std::span<const std::uint8_t> bytes,
                                      std::span<const std::uint8_t> recovery) {
  AKM_ASSIGN(const SealedBlob blob, decode_tpm_blob(bytes));
  if (blob.pcr_mask == 0) {
    return fail(Errc::wrong_state, "the key is not sealed to PCRs: there is no recovery secret");
  }
  const auto tpm = opener_();
  if (!tpm) return unavailable(tpm.error());
  auto key = unseal_by_recovery(**tpm, blob, recovery);
  wipe_stack_below();
  if (!key && key.error().code != Errc::not_authentic && key.error().code != Errc::invalid_argument) {
    return unavailable(key.error());
  }
  if (key) pin(blob);
  return key;
}

Result<std::vector<std::uint8_t>> TpmSealer::authorise(std::span<const std::uint8_t> bytes,
                                                       std::span<const std::uint8_t> values,
                                                       std::span<const std::uint8_t> signature) {
  AKM_ASSIGN(SealedBlob blob, decode_tpm_blob(bytes));
  if (blob.policy_key.empty()) {
    return fail(Errc::wrong_state, "the key is sealed without a policy key (sealing.policy_key)");
  }
  if (values.size() != blob.pcr_values.size()) return fail(Errc::invalid_argument, "PCR values");
  AuthorisedPcrs one{{values.begin(), values.end()}, {}};
  AKM_ASSIGN(one.signature, policy_signature_of_der(signature));
  AKM_ASSIGN(const std::unique_ptr<TpmContext> tpm, opener_());
  AKM_TRY(verify_authorisation(*tpm, blob, one));
  std::erase_if(blob.authorised, [&](const AuthorisedPcrs& other) { return other.values == one.values; });
  if (blob.authorised.size() == kAuthorisedMax) blob.authorised.erase(blob.authorised.begin());
  blob.authorised.push_back(std::move(one));
  return encode_sealed_blob(blob);
}

Result<std::vector<std::uint8_t>> TpmSealer::present_pcrs(std::uint32_t mask) const {
  AKM_ASSIGN(const std::unique_ptr<TpmContext> tpm, opener_());
  return read_pcrs(*tpm, mask);
}

Result<std::uint32_t> TpmSealer::next_incarnation() {
  AKM_ASSIGN(const std::unique_ptr<TpmContext> tpm, opener_());
  AKM_ASSIGN(const StorageRoot root, storage_root_key(*tpm, pinned_));
  AKM_ASSIGN(const std::uint64_t value, raise_start_counter(*tpm, root, options_.nv_index));
  if (value > UINT32_MAX) return fail(Errc::exhausted, "the TPM's incarnation counter is above 2^32 - 1");
  return static_cast<std::uint32_t>(value);
}

Result<std::vector<std::string>> TpmSealer::erase(std::span<const std::uint8_t> /*blob*/) {
  AKM_ASSIGN(const std::unique_ptr<TpmContext> tpm, opener_());
  AKM_ASSIGN(const StorageRoot root, storage_root_key(*tpm, pinned_));
  AKM_ASSIGN(const bool was_there, erase_start_counter(*tpm, root, options_.nv_index));
  return was_there ? std::vector<std::string>{"tpm-nv-counter"} : std::vector<std::string>{};
}

}  // namespace akm::keyring
