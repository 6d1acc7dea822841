#include "daemon/store/sealed_record.h"

#include <algorithm>
#include <array>
#include <string>

#include "daemon/crypto/aead.h"
#include "daemon/crypto/hkdf.h"
#include "daemon/crypto/secret_observer.h"

namespace akm::store {
namespace {

constexpr std::array<std::uint8_t, 5> kMagicAndVersion{'A', 'K', 'M', 'S', 1};
constexpr std::string_view kPurpose = "akm sealed record 1";
// The key is drawn anew for each writing, so that the nonce is used once.
constexpr std::array<std::uint8_t, crypto::kNonceBytes> kNonce{};

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Result<crypto::Aead> record_cipher(const SecretBytes<32>& storage_key, std::string_view name,
                                   std::span<const std::uint8_t> salt) {
  SecretBytes<32> key;
  // The purpose and the salt have fixed lengths, so that the name's end is clear.
  AKM_TRY(crypto::hkdf_expand(crypto::Hash::sha256, storage_key.reveal(),
                              {bytes_of(kPurpose), salt, bytes_of(name)}, key.reveal_mutable()));
  crypto::observe_secret("sealed record key", key.reveal());
  return crypto::Aead::create(crypto::AeadAlgorithm::aes_256_gcm, key.reveal());
}

// Magic, version, salt and the name.
std::vector<std::uint8_t> associated_data(std::span<const std::uint8_t> header, std::string_view name) {
  std::vector<std::uint8_t> out(header.begin(), header.end());
  out.insert(out.end(), name.begin(), name.end());
  return out;
}

}  // namespace

Result<std::vector<std::uint8_t>> seal_record(const SecretBytes<32>& storage_key, std::string_view name,
                                              std::span<const std::uint8_t> record, RandomSource& random) {
  std::vector<std::uint8_t> out(record.size() + kSealedOverheadBytes);
  std::ranges::copy(kMagicAndVersion, out.begin());
  const auto header = std::span(out).first(kSealedHeaderBytes);
  const auto salt = header.subspan(kMagicAndVersion.size());
  AKM_TRY(random.fill(salt));
  AKM_ASSIGN(crypto::Aead cipher, record_cipher(storage_key, name, salt));
  AKM_TRY(
      cipher.seal(kNonce, associated_data(header, name), record, std::span(out).subspan(kSealedHeaderBytes)));
  return out;
}

Result<SecretBuffer> open_record(const SecretBytes<32>& storage_key, std::string_view name,
                                 std::span<const std::uint8_t> sealed) {
  const auto corrupt = [name] { return fail(Errc::state_corrupt, std::string(name)); };
  if (sealed.size() < kSealedOverheadBytes) return corrupt();
  const auto version = kMagicAndVersion.size() - 1;
  if (!std::equal(kMagicAndVersion.begin(), kMagicAndVersion.begin() + version, sealed.begin()))
    return corrupt();
  if (sealed[version] > kMagicAndVersion[version])
    return fail(Errc::newer_version, std::string(name) + " says that it has version " +
                                         std::to_string(sealed[version]) + ", or was changed");
  if (sealed[version] != kMagicAndVersion[version]) return corrupt();
  const auto header = sealed.first(kSealedHeaderBytes);
  AKM_ASSIGN(crypto::Aead cipher, record_cipher(storage_key, name, header.subspan(kMagicAndVersion.size())));
  SecretBuffer record(sealed.size() - kSealedOverheadBytes);
  const auto opened = cipher.open(kNonce, associated_data(header, name), sealed.subspan(kSealedHeaderBytes),
                                  record.reveal_mutable());
  if (!opened && opened.error().code == Errc::not_authentic) return corrupt();
  AKM_TRY(opened);
  return record;
}

}  // namespace akm::store
