#pragma once
// Bundles (section 7): provisioning credentials on their way to a node.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/base/secret.h"
#include "daemon/protocol/provisioning.h"

namespace akm::protocol {

inline constexpr std::size_t kBundleBytes = 16 * 1024;
inline constexpr std::size_t kCodeSymbols = 20;

/// What a bundle says. The mask is worthless on other hardware, yet treat the whole as a secret.
struct BundleContent {
  ProvisioningIdentity identity;
  SingleUseId use_id{};
  Mask mask{};
  [[nodiscard]] SecretBuffer encode() const;
  static Result<BundleContent> decode(std::span<const std::uint8_t> bytes);
  bool operator==(const BundleContent&) const = default;
};

/// 100 random bits, as 20 symbols of Crockford's base32 without dashes.
Result<SecretBuffer> generate_code(RandomSource& random);
/// As shown to the operator: "ABCDE-FGHJK-MNPQR-STVWX".
SecretBuffer format_code(const SecretBuffer& code);
/// Takes what people type: any case, dashes and spaces anywhere, O for 0, I and L for 1. invalid_argument.
Result<SecretBuffer> parse_code(std::string_view typed);

/// Cost of the one-time code's scrypt. A test may take less; a bundle below the floor of open_bundle is
/// refused.
struct ScryptCost {
  std::uint32_t n = 131072;
  std::uint32_t r = 8;
  std::uint32_t p = 1;
};

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

}  // namespace akm::protocol
