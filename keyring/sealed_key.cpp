#include "keyring/sealed_key.h"

#include "daemon/base/atomic_file.h"
#include "keyring/sealer_factory.h"

namespace akm::keyring {
namespace {

std::string path_in(const std::string& folder) {
  return folder + "/" + kSealedKeyFile;
}

}  // namespace

Result<SealedBlob> stored_blob(const std::string& folder) {
  AKM_ASSIGN(const auto bytes, read_file(path_in(folder), kSealedBlobMaxBytes));
  return decode_sealed_blob(bytes);
}

Result<std::vector<std::uint8_t>> SealedKey::stored() const {
  AKM_ASSIGN(auto bytes, read_file(path_in(folder_), kSealedBlobMaxBytes));
  const auto blob = decode_sealed_blob(bytes);
  if (blob && blob->kind != SealerKind::tpm) {
    return fail(Errc::not_supported, "the storage key is not sealed by a TPM");
  }
  return bytes;
}

Status SealedKey::seal(const StorageKey& key, const PcrBinding& binding,
                       std::span<const std::uint8_t> recovery) {
  std::vector<std::uint8_t> sealed;
  if (binding.mask != 0) {
    AKM_ASSIGN(sealed, sealer_.seal_to_pcrs(key, binding, recovery));
  } else {
    AKM_ASSIGN(sealed, sealer_.seal(key));
    AKM_ASSIGN(const StorageKey opened, sealer_.unseal(sealed));
    if (!(opened == key)) return fail(Errc::tpm_failed, "the sealed key opened to another");
  }
  return write_file_atomically(path_in(folder_), sealed, 0600);
}

Status SealedKey::reseal(const PcrBinding& binding, std::span<const std::uint8_t> recovery) {
  AKM_ASSIGN(const auto bytes, stored());
  AKM_ASSIGN(const StorageKey key, sealer_.unseal(bytes));
  return seal(key, binding, recovery);
}

Status SealedKey::recover(const PcrBinding& binding, std::span<const std::uint8_t> recovery) {
  AKM_ASSIGN(const auto bytes, stored());
  AKM_ASSIGN(const StorageKey key, sealer_.recover(bytes, recovery));
  return seal(key, binding, recovery);
}

Status SealedKey::authorise(std::span<const std::uint8_t> values, std::span<const std::uint8_t> signature) {
  AKM_ASSIGN(const auto bytes, stored());
  AKM_ASSIGN(const auto changed, sealer_.authorise(bytes, values, signature));
  return write_file_atomically(path_in(folder_), changed, 0600);
}

}  // namespace akm::keyring
