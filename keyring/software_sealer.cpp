#include "keyring/software_sealer.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "daemon/base/atomic_file.h"
#include "daemon/base/erase_file.h"
#include "daemon/base/random.h"
#include "daemon/crypto/aead.h"
#include "daemon/crypto/hkdf.h"
#include "daemon/crypto/secret_observer.h"
#include "keyring/sealed_blob.h"

namespace akm::keyring {
namespace {

constexpr const char* kKeyFile = "software.key";
constexpr const char* kIncarnationFile = "incarnation";
constexpr std::size_t kKeyFileBytes = 32;
constexpr std::size_t kIdentifierBytes = 16;
// Ten digits and a newline.
constexpr std::size_t kIncarnationFileMaxBytes = 16;

std::span<const std::uint8_t> text_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// The key that wraps, and an identifier by which a blob says what it was wrapped with.
struct Wrapping {
  SecretBytes<crypto::kKeyBytes> key;
  std::array<std::uint8_t, kIdentifierBytes> identifier{};
};

Result<Wrapping> derive(std::span<const std::uint8_t> file_key, std::span<const std::uint8_t> binding) {
  AKM_ASSIGN(const SecretBuffer prk, crypto::hkdf_extract(crypto::Hash::sha256, binding, {file_key}));
  Wrapping wrapping;
  AKM_TRY(crypto::hkdf_expand(crypto::Hash::sha256, prk.reveal(), {text_bytes("akm1 software sealer key")},
                              wrapping.key.reveal_mutable()));
  AKM_TRY(crypto::hkdf_expand(crypto::Hash::sha256, prk.reveal(), {text_bytes("akm1 software sealer id")},
                              wrapping.identifier));
  crypto::observe_secret("software sealing key", wrapping.key.reveal());
  return wrapping;
}

Result<SecretBuffer> load_key_file(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
    return fail(Errc::storage_failed,
                path + " can be read by others: it counts as known; chmod 600 it, then replace all keys");
  }
  AKM_ASSIGN(SecretBuffer key, read_secret_file(path, kKeyFileBytes));
  if (key.size() != kKeyFileBytes) return fail(Errc::state_corrupt, path);
  crypto::observe_secret("software key file", key.reveal());
  return key;
}

// Loads the key file, or draws it: once, since it is never replaced.
Result<SecretBuffer> load_or_create_key_file(const std::string& path) {
  auto loaded = load_key_file(path);
  if (loaded || loaded.error().code != Errc::not_found) return loaded;
  SecretBuffer drawn(kKeyFileBytes);
  SystemRandom random;
  AKM_TRY(random.fill(drawn.reveal_mutable()));
  const Status created = create_file_atomically(path, drawn.reveal(), 0600);
  if (!created && created.error().code != Errc::already_exists) return std::unexpected(created.error());
  return load_key_file(path);
}

// The last number given, 0 when there was none.
Result<std::uint32_t> read_incarnation(const std::string& path) {
  const auto file = read_file(path, kIncarnationFileMaxBytes);
  if (!file && file.error().code == Errc::not_found) return std::uint32_t{0};
  if (!file && file.error().code == Errc::too_large) return fail(Errc::state_corrupt, path);
  if (!file) return std::unexpected(file.error());
  const std::string_view text(reinterpret_cast<const char*>(file->data()), file->size());
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || std::string_view(end, text.data() + text.size()) != "\n") {
    return fail(Errc::state_corrupt, path);
  }
  return value;
}

}  // namespace

std::string SoftwareSealer::description() const {
  std::string text = "software: keys on this disk open without a secure element";
  if (!options_.machine_binding.empty()) text += ", on this machine";
  if (!options_.reason.empty()) text += " (" + options_.reason + ")";
  return text;
}

Result<std::vector<std::uint8_t>> SoftwareSealer::seal(const StorageKey& key) {
  AKM_TRY(make_folder(options_.state_folder));
  AKM_ASSIGN(const SecretBuffer file_key, load_or_create_key_file(options_.state_folder + "/" + kKeyFile));
  AKM_ASSIGN(const Wrapping wrapping, derive(file_key.reveal(), options_.machine_binding));
  SealedBlob blob;
  blob.kind = SealerKind::software;
  blob.parent.assign(wrapping.identifier.begin(), wrapping.identifier.end());
  blob.public_part.resize(crypto::kNonceBytes);
  SystemRandom random;
  AKM_TRY(random.fill(blob.public_part));
  blob.private_part.resize(kStorageKeyBytes + crypto::kTagBytes);
  AKM_ASSIGN(crypto::Aead aead,
             crypto::Aead::create(crypto::AeadAlgorithm::aes_256_gcm, wrapping.key.reveal()));
  AKM_TRY(aead.seal(std::span<const std::uint8_t, crypto::kNonceBytes>(blob.public_part), blob.parent,
                    key.reveal(), blob.private_part));
  return encode_sealed_blob(blob);
}

Result<StorageKey> SoftwareSealer::unseal(std::span<const std::uint8_t> bytes) {
  const auto unavailable = [](const Error& cause) {
    return fail(Errc::sealed_unavailable,
                cause.detail.empty() ? std::string(errc_sentence(cause.code)) : cause.detail);
  };
  const auto blob = decode_sealed_blob(bytes);
  if (!blob) return unavailable(blob.error());
  if (blob->kind != SealerKind::software) {
    return fail(Errc::sealed_unavailable, std::string("the key was sealed by a ") +
                                              (blob->kind == SealerKind::tpm ? "TPM" : "token") +
                                              ", the configuration says software");
  }
  const std::string path = options_.state_folder + "/" + kKeyFile;
  const auto file_key = load_key_file(path);
  if (!file_key && file_key.error().code == Errc::not_found)
    return fail(Errc::sealed_unavailable, path + " is missing");
  if (!file_key) return unavailable(file_key.error());
  const auto wrapping = derive(file_key->reveal(), options_.machine_binding);
  if (!wrapping) return unavailable(wrapping.error());
  if (!std::ranges::equal(wrapping->identifier, blob->parent)) {
    return fail(Errc::sealed_unavailable, "the key was sealed on another machine, or with another " + path);
  }
  if (blob->public_part.size() != crypto::kNonceBytes ||
      blob->private_part.size() != kStorageKeyBytes + crypto::kTagBytes) {
    return fail(Errc::sealed_unavailable, "the sealed blob has wrong lengths");
  }
  auto aead = crypto::Aead::create(crypto::AeadAlgorithm::aes_256_gcm, wrapping->key.reveal());
  if (!aead) return unavailable(aead.error());
  StorageKey key;
  const Status opened = aead->open(std::span<const std::uint8_t, crypto::kNonceBytes>(blob->public_part),
                                   blob->parent, blob->private_part, key.reveal_mutable());
  if (!opened) return fail(Errc::sealed_unavailable, "the sealed blob is damaged or was changed");
  crypto::observe_secret("storage key", key.reveal());
  return key;
}

// One daemon a folder (SealedStore locks it), so read and write need no lock of their own.
Result<std::uint32_t> SoftwareSealer::next_incarnation() {
  AKM_TRY(make_folder(options_.state_folder));
  const std::string path = options_.state_folder + "/" + kIncarnationFile;
  AKM_ASSIGN(const std::uint32_t last, read_incarnation(path));
  if (last == UINT32_MAX) return fail(Errc::exhausted, path);
  const std::string text = std::to_string(last + 1) + "\n";
  AKM_TRY(write_file_atomically(path, text_bytes(text), 0600));
  return last + 1;
}

Result<std::vector<std::string>> SoftwareSealer::erase(std::span<const std::uint8_t> /*blob*/) {
  const std::string path = options_.state_folder + "/" + kKeyFile;
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0 && errno == ENOENT) return std::vector<std::string>{};
  AKM_TRY(erase_file(path));
  return std::vector<std::string>{"software-key"};
}

}  // namespace akm::keyring
