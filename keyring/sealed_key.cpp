#include "keyring/sealed_key.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/base/atomic_file.h"
#include "daemon/base/erase_file.h"
#include "daemon/base/unique_fd.h"
#include "keyring/sealer_factory.h"

namespace akm::keyring {
namespace {

std::string path_in(const std::string& folder) {
  return folder + "/" + kSealedKeyFile;
}

std::string replaced_in(const std::string& folder) {
  return folder + "/" + kReplacedKeyFile;
}

// Still what the new file was made from; called with the lock held.
Status unchanged(const std::string& folder, std::span<const std::uint8_t> before) {
  const auto now = read_file(path_in(folder), kSealedBlobMaxBytes);
  if (now && std::ranges::equal(*now, before)) return {};
  return fail(Errc::wrong_state, path_in(folder) + " was erased or changed meanwhile; it is left as it is");
}

// The old file keeps a name until it is overwritten: overwritten before, a crash would leave no key at all.
Status replace(const std::string& folder, std::span<const std::uint8_t> before,
               std::span<const std::uint8_t> sealed) {
  AKM_ASSIGN(const UniqueFd lock, lock_sealed_key(folder));
  AKM_TRY(unchanged(folder, before));
  AKM_TRY(erase_replaced(folder));
  if (::link(path_in(folder).c_str(), replaced_in(folder).c_str()) != 0)
    return fail_errno(Errc::storage_failed, "link " + replaced_in(folder));
  AKM_TRY(write_file_atomically(path_in(folder), sealed, 0600));
  return erase_replaced(folder);
}

}  // namespace

Result<UniqueFd> lock_sealed_key(const std::string& folder) {
  UniqueFd lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  int answer = lock ? ::flock(lock.get(), LOCK_EX) : -1;
  while (lock && answer != 0 && errno == EINTR) answer = ::flock(lock.get(), LOCK_EX);
  if (answer != 0) return fail_errno(Errc::storage_failed, "lock " + folder);
  return lock;
}

Status erase_replaced(const std::string& folder) {
  struct stat present{};
  struct stat old{};
  if (::lstat(replaced_in(folder).c_str(), &old) != 0) {
    return errno == ENOENT ? Status{} : fail_errno(Errc::storage_failed, replaced_in(folder));
  }
  if (::lstat(path_in(folder).c_str(), &present) != 0)
    return fail_errno(Errc::storage_failed, path_in(folder));
  if (present.st_dev == old.st_dev && present.st_ino == old.st_ino) {
    // It was not replaced after all.
    if (::unlink(replaced_in(folder).c_str()) == 0) return {};
    return fail_errno(Errc::storage_failed, replaced_in(folder));
  }
  // A crash must not bring the old one back under the first name, now without content.
  const UniqueFd opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened || ::fsync(opened.get()) != 0)
    return fail_errno(Errc::storage_failed, "fsync folder " + folder);
  return erase_file(replaced_in(folder));
}

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
                       std::span<const std::uint8_t> recovery, std::span<const std::uint8_t> before) {
  std::vector<std::uint8_t> sealed;
  if (binding.mask != 0) {
    AKM_ASSIGN(sealed, sealer_.seal_to_pcrs(key, binding, recovery));
  } else {
    AKM_ASSIGN(sealed, sealer_.seal(key));
    AKM_ASSIGN(const StorageKey opened, sealer_.unseal(sealed));
    if (!(opened == key)) return fail(Errc::tpm_failed, "the sealed key opened to another");
  }
  if (before_) AKM_TRY(before_(key));
  return replace(folder_, before, sealed);
}

Status SealedKey::reseal(const PcrBinding& binding, std::span<const std::uint8_t> recovery) {
  AKM_ASSIGN(const auto bytes, stored());
  AKM_ASSIGN(const StorageKey key, sealer_.unseal(bytes));
  return seal(key, binding, recovery, bytes);
}

Status SealedKey::recover(const PcrBinding& binding, std::span<const std::uint8_t> recovery) {
  AKM_ASSIGN(const auto bytes, stored());
  AKM_ASSIGN(const StorageKey key, sealer_.recover(bytes, recovery));
  return seal(key, binding, recovery, bytes);
}

Status SealedKey::authorise(std::span<const std::uint8_t> values, std::span<const std::uint8_t> signature) {
  AKM_ASSIGN(const auto bytes, stored());
  AKM_ASSIGN(const auto changed, sealer_.authorise(bytes, values, signature));
  AKM_ASSIGN(const UniqueFd lock, lock_sealed_key(folder_));
  AKM_TRY(unchanged(folder_, bytes));
  return write_file_atomically(path_in(folder_), changed, 0600);
}

}  // namespace akm::keyring
