#include "daemon/base/vector_registers.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <array>
#include <cstdint>

using namespace akm;

#if defined(__x86_64__)

namespace {

using Lane = std::array<std::uint8_t, 64>;

[[gnu::target("avx512f")]] void write_zmm31(const Lane& bytes) {
  asm volatile("vmovdqu64 %0, %%zmm31" ::"m"(bytes) : "xmm31");
}

[[gnu::target("avx512f")]] Lane read_zmm31() {
  Lane out{};
  asm volatile("vmovdqu64 %%zmm31, %0" : "=m"(out));
  return out;
}

std::array<std::uint8_t, 16> read_xmm5() {
  std::array<std::uint8_t, 16> out{};
  asm volatile("movdqu %%xmm5, %0" : "=m"(out));
  return out;
}

bool is_zero(const auto& bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

Test(vector_registers, hold_nothing_afterwards) {
  std::array<std::uint8_t, 16> secret{};
  secret.fill(0x5a);
  asm volatile("movdqu %0, %%xmm5" ::"m"(secret) : "xmm5");
  cr_assert(read_xmm5() == secret, "the test can see them");
  asm volatile("movdqu %0, %%xmm5" ::"m"(secret) : "xmm5");
  wipe_vector_registers();
  cr_assert(is_zero(read_xmm5()));
}

Test(vector_registers, the_upper_ones_hold_nothing_either) {
  if (!__builtin_cpu_supports("avx512f")) cr_skip_test("this processor has no AVX-512");
  Lane secret{};
  secret.fill(0x5a);
  write_zmm31(secret);
  cr_assert(read_zmm31() == secret, "the test can see them");
  write_zmm31(secret);
  wipe_vector_registers();
  cr_assert(is_zero(read_zmm31()));
}

#else

Test(vector_registers, can_be_wiped) {
  wipe_vector_registers();
  cr_skip_test("they are looked at on x86-64 only");
}

#endif
