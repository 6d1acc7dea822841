#include "daemon/protocol/one_time_code.h"

#include <algorithm>
#include <array>

#include "daemon/crypto/secret_observer.h"

namespace akm::protocol {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";  // no I, L, O, U
constexpr std::size_t kGroupSymbols = 5;
constexpr unsigned kBitsPerSymbol = 5;
constexpr std::size_t kRandomBytes = (kCodeSymbols * kBitsPerSymbol + 7) / 8;
constexpr std::size_t kTypedBytes = 64;

char canonical(char typed) {
  const char upper = typed >= 'a' && typed <= 'z' ? static_cast<char>(typed - 'a' + 'A') : typed;
  if (upper == 'O') return '0';
  if (upper == 'I' || upper == 'L') return '1';
  return upper;
}

}  // namespace

SecretBuffer encode_symbols(std::span<const std::uint8_t> bytes) {
  SecretBuffer out(kCodeSymbols);
  unsigned held = 0;  // bits taken from the bytes and not yet given to a symbol
  unsigned bits = 0;
  std::size_t next = 0;
  for (std::uint8_t& symbol : out.reveal_mutable()) {
    if (bits < kBitsPerSymbol) {
      held = (held << 8 | bytes[next++]) & 0xfffU;
      bits += 8;
    }
    bits -= kBitsPerSymbol;
    symbol = static_cast<std::uint8_t>(kAlphabet[held >> bits & 31]);
  }
  return out;
}

Result<SecretBuffer> generate_code(RandomSource& random) {
  SecretBytes<kRandomBytes> drawn;
  AKM_TRY(random.fill(drawn.reveal_mutable()));
  SecretBuffer out = encode_symbols(drawn.reveal());
  crypto::observe_secret("one-time code", out.reveal());
  return out;
}

Result<SecretBuffer> in_groups(const SecretBuffer& symbols) {
  if (symbols.size() != kCodeSymbols) return fail(Errc::invalid_argument, "one-time code");
  SecretBuffer out(kCodeSymbols + kCodeSymbols / kGroupSymbols - 1);
  std::size_t at = 0;
  for (std::size_t i = 0; i < kCodeSymbols; ++i) {
    if (i > 0 && i % kGroupSymbols == 0) out.reveal_mutable()[at++] = '-';
    out.reveal_mutable()[at++] = symbols.reveal()[i];
  }
  return out;
}

Result<SecretBuffer> format_code(const SecretBuffer& code) {
  AKM_ASSIGN(SecretBuffer out, in_groups(code));
  crypto::observe_secret("one-time code", out.reveal());
  return out;
}

Result<SecretBuffer> parse_code(std::string_view typed) {
  const auto bad = [] { return fail(Errc::invalid_argument, "a one-time code has 20 letters and digits"); };
  if (typed.size() > kTypedBytes) return bad();
  SecretBuffer out(kCodeSymbols);
  std::size_t at = 0;
  for (const char c : typed) {
    if (c == '-' || c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
    const char symbol = canonical(c);
    if (kAlphabet.find(symbol) == std::string_view::npos || at == kCodeSymbols) return bad();
    out.reveal_mutable()[at++] = static_cast<std::uint8_t>(symbol);
  }
  if (at != kCodeSymbols) return bad();
  return out;
}

}  // namespace akm::protocol
