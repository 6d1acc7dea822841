#pragma once
// Bundles (section 7): provisioning credentials on their way to a node.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/base/secret.h"
#include "daemon/protocol/one_time_code.h"
#include "daemon/protocol/provisioning.h"

namespace akm::protocol {

inline constexpr std::size_t kBundleBytes = 16 * 1024;

/// What a bundle says. The mask is worthless on other hardware, yet treat the whole as a secret.
struct BundleContent {
  ProvisioningIdentity identity;
  SingleUseId use_id{};
  Mask mask{};
  bool unbound = false;                     // made for kUnknownHardware: bound at activation
  std::optional<HardwareCheck> check = {};  // of a bound one: whether this is its machine
  ~BundleContent() { wipe(mask.data(), mask.size()); }
  [[nodiscard]] SecretBuffer encode() const;
  static Result<BundleContent> decode(std::span<const std::uint8_t> bytes);
  bool operator==(const BundleContent&) const = default;
};

/// Cost of the one-time code's scrypt. A test may take less; a bundle below the floor of open_bundle is
/// refused.
struct ScryptCost {
  std::uint32_t n = 131072;
  std::uint32_t r = 8;
  std::uint32_t p = 1;
};
/// What a file may ask of this machine: r 8, p 1, n a power of two from 2^14 to 2^18.
bool is_bearable(const ScryptCost& cost);

/// How a bundle is sealed: its "kdf". malformed, too_large.
Result<std::string> bundle_kdf(std::span<const std::uint8_t> bytes);

/// (a) For a USB drive: the file's bytes. `code` is what generate_code or parse_code returned.
Result<std::vector<std::uint8_t>> seal_bundle(const BundleContent& content, const SecretBuffer& code,
                                              RandomSource& random, const ScryptCost& cost = {});
/// wrong_code when it does not open; malformed; not_supported for another way of sealing. A bundle that is
/// not sealed is refused: whoever swaps the file could else hand the node to another NMM without knowing a
/// code.
Result<BundleContent> open_bundle(std::span<const std::uint8_t> bytes, const SecretBuffer& code);

/// (c) For the direct connection: not sealed; only for a sealed memfd.
Result<SecretBuffer> encode_direct_bundle(const BundleContent& content);
/// malformed; not_supported for a sealed one, which needs its code.
Result<BundleContent> decode_direct_bundle(std::span<const std::uint8_t> bytes);

/// (b) For a PKCS#11 token, which keeps it as a private object or seals it with a key of its own.
Result<SecretBuffer> encode_token_bundle(const BundleContent& content);
/// malformed; not_supported for a bundle that came another way.
Result<BundleContent> decode_token_bundle(std::span<const std::uint8_t> bytes);

}  // namespace akm::protocol
