#include "keyring/sealer_factory.h"

#include <optional>

#include "daemon/base/atomic_file.h"
#include "daemon/base/random.h"
#include "daemon/crypto/secret_observer.h"
#include "keyring/sealed_blob.h"
#include "keyring/software_sealer.h"
#include "keyring/tpm_sealer.h"

namespace akm::keyring {
namespace {

// TPM_HT_NV_INDEX, the first octet of an index.
constexpr std::uint32_t kNvIndexKind = 0x01;

std::string blob_path(const std::string& folder) {
  return folder + "/" + kSealedKeyFile;
}

// The file is there and cannot be had: without it no record opens, and a new key would lose them all.
Error unreadable(const Error& error) {
  return {Errc::sealed_unavailable,
          error.detail + "; make it a readable file again or put it back from a copy, then restart"};
}

// With what the stored key was sealed; nothing when there is none yet. A damaged blob counts as the TPM's: no
// new key may come into being beside it.
Result<std::optional<SealerKind>> stored_kind(const std::string& folder) {
  const auto bytes = read_file(blob_path(folder), kSealedBlobMaxBytes);
  if (!bytes && bytes.error().code == Errc::not_found) return std::optional<SealerKind>();
  if (!bytes && bytes.error().code != Errc::too_large) return std::unexpected(unreadable(bytes.error()));
  if (!bytes) return std::optional(SealerKind::tpm);
  const auto blob = decode_sealed_blob(*bytes);
  return std::optional(blob ? blob->kind : SealerKind::tpm);
}

Result<std::unique_ptr<Sealer>> software(const SealerOptions& options, std::string reason) {
  if (!options.allow_software) return fail(Errc::no_secure_element, std::move(reason));
  return std::make_unique<SoftwareSealer>(
      SoftwareSealerOptions{options.state_folder, options.machine_binding, std::move(reason)});
}

}  // namespace

std::string_view sealer_kind_name(SealerKind kind) {
  switch (kind) {
    case SealerKind::tpm:
      return "tpm";
    case SealerKind::software:
      return "software";
    case SealerKind::token:
      return "token";
  }
  return "unknown";
}

Result<std::unique_ptr<Sealer>> make_sealer(const SealerOptions& options) {
  if (options.nv_index >> 24 != kNvIndexKind) {
    return fail(Errc::invalid_argument, "an NV index is 0x01000000 to 0x01ffffff");
  }
  if (options.state_folder.empty()) return fail(Errc::invalid_argument, "no state folder");
  AKM_ASSIGN(const std::optional<SealerKind> stored, stored_kind(options.state_folder));
  if (options.mode == SealerMode::token) {
    return std::make_unique<TokenSealer>(options.token);
  }
  if (options.mode == SealerMode::automatic && stored == SealerKind::token) {
    return fail(Errc::sealed_unavailable, "the storage key is in a token; set sealing.mode to token");
  }
  if (options.mode == SealerMode::software) return software(options, "chosen by the configuration");
  if (options.mode == SealerMode::automatic && stored == SealerKind::software) {
    return software(options, "sealed so when the storage key was made");
  }
  const std::string tcti = options.tcti.empty() ? kDefaultTcti : options.tcti;
  auto tpm = std::make_unique<TpmSealer>(tpm_opener(tcti), TpmSealerOptions{options.nv_index});
  const Status reached = tpm->probe();
  // With a key already sealed by the TPM only the TPM will do: unseal() then says what is wrong with it.
  if (reached || stored == SealerKind::tpm) return tpm;
  if (options.mode == SealerMode::tpm) return fail(Errc::no_secure_element, reached.error().detail);
  return software(options, reached.error().detail);
}

Result<StorageKey> open_storage_key(Sealer& sealer, const std::string& folder) {
  const std::string path = blob_path(folder);
  auto stored = read_file(path, kSealedBlobMaxBytes);
  if (!stored && stored.error().code == Errc::not_found) {
    StorageKey key;
    SystemRandom random;
    AKM_TRY(random.fill(key.reveal_mutable()));
    crypto::observe_secret("storage key", key.reveal());
    AKM_ASSIGN(const auto blob, sealer.seal(key));
    // A sealer that seals but does not open must be found out before anything depends on it.
    const auto opened = sealer.unseal(blob);
    Status created = opened ? Status{} : std::unexpected(opened.error());
    if (opened && !(*opened == key)) created = fail(Errc::tpm_failed, "the sealed key opened to another");
    if (created) created = create_file_atomically(path, blob, 0600);
    if (created) return key;
    (void)sealer.discard(blob);  // nothing refers to it; the first error is what counts
    if (created.error().code != Errc::already_exists) return std::unexpected(created.error());
    stored = read_file(path, kSealedBlobMaxBytes);
  }
  if (!stored && stored.error().code == Errc::too_large)
    return fail(Errc::sealed_unavailable, path + " is too large");
  if (!stored) return std::unexpected(unreadable(stored.error()));
  auto key = sealer.unseal(*stored);
  if (!key) return fail(key.error().code, path + ": " + key.error().detail);
  return key;
}

}  // namespace akm::keyring
