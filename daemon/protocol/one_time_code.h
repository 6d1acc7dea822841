#pragma once
// The one-time code of a bundle (section 7): 100 random bits in Crockford's base32.
#include <cstdint>
#include <span>
#include <string_view>

#include "daemon/base/random.h"
#include "daemon/base/result.h"
#include "daemon/base/secret.h"

namespace akm::protocol {

inline constexpr std::size_t kCodeSymbols = 20;

/// 20 symbols without dashes: the form that goes into scrypt.
Result<SecretBuffer> generate_code(RandomSource& random);
/// The first 100 bits of `bytes` (13 at least) in the same form.
SecretBuffer encode_symbols(std::span<const std::uint8_t> bytes);
/// In groups of five, for people. What is shown so need not be secret. invalid_argument for anything but 20
/// symbols.
Result<SecretBuffer> in_groups(const SecretBuffer& symbols);
/// As shown to the operator: "ABCDE-FGHJK-MNPQR-STVWX". invalid_argument for anything but 20 symbols.
Result<SecretBuffer> format_code(const SecretBuffer& code);
/// Takes what people type: any case, dashes and spaces anywhere, O for 0, I and L for 1. invalid_argument.
Result<SecretBuffer> parse_code(std::string_view typed);

}  // namespace akm::protocol
