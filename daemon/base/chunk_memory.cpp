#include "daemon/base/chunk_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "daemon/base/unique_fd.h"

namespace akm {
namespace {

// Pages that are gone from the kernel's own map, so that not even root reads them through /proc/pid/mem.
// Counted against RLIMIT_MEMLOCK. A shared mapping cannot be wiped on fork, so the child does not get it at
// all.
bool map_memfd_secret(void* address, std::size_t size) {
  const UniqueFd fd(static_cast<int>(syscall(SYS_memfd_secret, static_cast<unsigned>(O_CLOEXEC))));
  if (!fd || ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return false;
  if (mmap(address, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd.get(), 0) == MAP_FAILED)
    return false;
  return madvise(address, size, MADV_DONTFORK) == 0 && madvise(address, size, MADV_DONTDUMP) == 0;
}

bool map_private(void* address, std::size_t size) {
  if (mmap(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
      MAP_FAILED) {
    return false;
  }
  return madvise(address, size, MADV_WIPEONFORK) == 0 && madvise(address, size, MADV_DONTDUMP) == 0;
}

bool map_locked(void* address, std::size_t size) {
  return map_private(address, size) && mlock2(address, size, MLOCK_ONFAULT) == 0;
}

struct Variant {
  SecretMemory memory;
  bool (*map)(void* address, std::size_t size);
};
constexpr std::array kVariants{Variant{SecretMemory::memfd_secret, map_memfd_secret},
                               Variant{SecretMemory::locked, map_locked},
                               Variant{SecretMemory::unlocked, map_private}};

}  // namespace

std::optional<SecretMemory> map_chunk(void* address, std::size_t size, SecretMemory strongest) {
  for (const Variant& variant : kVariants) {
    if (variant.memory >= strongest && variant.map(address, size)) return variant.memory;
  }
  // Whatever a failed variant left there becomes a plain reservation again.
  (void)mmap(address, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
  return std::nullopt;
}

void* reserve_addresses(std::size_t size) {
  void* base = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return base == MAP_FAILED ? nullptr : base;
}

}  // namespace akm
