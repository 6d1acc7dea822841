#include "daemon/base/chunk_memory.h"

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>

using namespace akm;

namespace {

constexpr std::size_t kSize = std::size_t{256} * 1024;

// The bound is for those without CAP_IPC_LOCK; root gives it up for this test's process.
bool limit_locked_memory(rlim_t bytes) {
  const rlimit limit{bytes, bytes};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) return false;
  return geteuid() != 0 || (setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
}

void use(void* base) {
  auto* bytes = static_cast<volatile std::uint8_t*>(base);
  for (std::size_t i = 0; i < kSize; i += 4096) {
    cr_assert_eq(bytes[i], 0);
    bytes[i] = 1;
  }
}

}  // namespace

Test(chunk_memory, each_kind_works_and_is_never_stronger_than_asked) {
  for (const SecretMemory strongest :
       {SecretMemory::memfd_secret, SecretMemory::locked, SecretMemory::unlocked}) {
    void* base = reserve_addresses(kSize);
    cr_assert_not_null(base);
    const auto got = map_chunk(base, kSize, strongest);
    cr_assert(got.has_value());
    cr_assert(*got >= strongest);
    use(base);
    (void)munmap(base, kSize);
  }
}

Test(chunk_memory, the_lock_limit_leads_to_unlocked_memory) {
  if (!limit_locked_memory(64 * 1024)) cr_skip_test("cannot lower RLIMIT_MEMLOCK");
  void* base = reserve_addresses(kSize);
  cr_assert_not_null(base);
  const auto got = map_chunk(base, kSize, SecretMemory::memfd_secret);
  cr_assert(got.has_value());
  cr_assert(*got == SecretMemory::unlocked);
  use(base);
}

Test(chunk_memory, without_address_space_there_is_none) {
  cr_assert_null(reserve_addresses(SIZE_MAX / 2));
}
