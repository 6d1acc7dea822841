#include "daemon/base/random.h"

#include <sys/random.h>

#include <array>
#include <bit>

namespace akm {

Status SystemRandom::fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t n = getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno(Errc::crypto_failed, "getrandom");
    out = out.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<std::uint32_t> random_u32(RandomSource& random) {
  std::array<std::uint8_t, 4> bytes{};
  AKM_TRY(random.fill(bytes));
  return std::bit_cast<std::uint32_t>(bytes);
}

Result<std::uint64_t> random_u64(RandomSource& random) {
  std::array<std::uint8_t, 8> bytes{};
  AKM_TRY(random.fill(bytes));
  return std::bit_cast<std::uint64_t>(bytes);
}

}  // namespace akm
