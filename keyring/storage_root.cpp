#include "keyring/storage_root.h"

#include <algorithm>

#include "daemon/base/hex.h"
#include "keyring/endorsement_key.h"
#include "keyring/tpm_keys.h"
#include "keyring/tpm_marshal.h"

namespace akm::keyring {
namespace {

// True for an object that can serve as our parent: a storage key that is not under the lockout logic.
Result<bool> is_storage_key(std::span<const std::uint8_t> public_area) {
  AKM_ASSIGN(const TPMT_PUBLIC key, unmarshalled<TPMT_PUBLIC>(Tss2_MU_TPMT_PUBLIC_Unmarshal, public_area));
  constexpr TPMA_OBJECT kNeeded = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT |
                                  TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
  return (key.type == TPM2_ALG_ECC || key.type == TPM2_ALG_RSA) &&
         (key.objectAttributes & kNeeded) == kNeeded;
}

// None of the TPM's storage root keys is the pinned one: whose TPM is it then?
Error other_root(TpmContext& tpm, const PinnedRoot& pinned) {
  constexpr std::string_view kAnew =
      "move the state folder away and provision this machine anew (akmctl nmm prepare, akmctl node "
      "provision)";
  const std::vector<std::uint8_t> present = endorsement_name(tpm);
  if (pinned.endorsement.empty() || present.empty()) {
    return {
        Errc::not_found,
        "the storage root key of this TPM is another: the key was sealed by another machine, or the TPM was "
        "cleared; put the disk and its TPM together again, or " +
            std::string(kAnew)};
  }
  if (present != pinned.endorsement) {
    return {
        Errc::not_found,
        "this is another TPM: the key was sealed by another machine's, or the TPM was swapped; put the disk "
        "and its TPM together again, or " +
            std::string(kAnew)};
  }
  return {
      Errc::not_found,
      "this TPM sealed the key and has another storage root key since: it was cleared, and nothing opens the "
      "key any more; " +
          std::string(kAnew) +
          ". If nobody has cleared it, look at what is connected between the TPM and the processor"};
}

}  // namespace

std::vector<std::uint8_t> endorsement_name(TpmContext& tpm) {
  const auto text = endorsement_key_name(tpm);
  const auto bytes = text ? parse_hex(*text) : std::unexpected(text.error());
  return bytes ? *bytes : std::vector<std::uint8_t>();
}

Result<StorageRoot> storage_root_key(TpmContext& tpm, const PinnedRoot& pinned) {
  const auto is_wanted = [&](const std::vector<std::uint8_t>& name) {
    return pinned.name.empty() || name == pinned.name;
  };
  auto persistent = tpm.find(kStorageRootKeyHandle, "storage root key");
  if (persistent) {
    AKM_ASSIGN(TpmContext::KeyFacts facts, tpm.key_facts(persistent->get()));
    AKM_ASSIGN(const bool usable, is_storage_key(facts.public_area));
    if (usable && is_wanted(facts.name)) return StorageRoot{std::move(*persistent), std::move(facts.name)};
  } else if (persistent.error().code != Errc::not_found) {
    return std::unexpected(std::move(persistent).error());
  }
  auto made = primary_storage_key(tpm, pinned.name);
  if (!made && made.error().code == Errc::hardware_mismatch) return std::unexpected(other_root(tpm, pinned));
  if (!made) return std::unexpected(std::move(made).error());
  AKM_ASSIGN(TpmContext::KeyFacts facts, tpm.key_facts(made->get()));
  if (!is_wanted(facts.name)) return std::unexpected(other_root(tpm, pinned));
  return StorageRoot{std::move(*made), std::move(facts.name)};
}

}  // namespace akm::keyring
