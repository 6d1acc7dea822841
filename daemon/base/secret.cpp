#include "daemon/base/secret.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "daemon/base/secret_arena.h"

namespace akm {

void wipe(void* memory, std::size_t size) {
  if (size != 0) explicit_bzero(memory, size);
}

bool equal_in_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  if (a.size() != b.size()) return false;
  // Volatile: the compiler may not leave the loop early.
  volatile std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

SecretBuffer::SecretBuffer(std::size_t size) : size_(size) {
  if (size == 0) return;
  data_ = size > kSecretMaxBytes ? nullptr : static_cast<std::uint8_t*>(arena_allocate_secret(size));
  if (data_ == nullptr) {
    constexpr std::string_view kText =
        "akm: no memory for secrets; raise LimitMEMLOCK or the machine's memory\n";
    (void)!::write(STDERR_FILENO, kText.data(), kText.size());
    std::abort();
  }
}

SecretBuffer& SecretBuffer::operator=(SecretBuffer&& other) noexcept {
  if (this != &other) {
    clear();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

SecretBuffer SecretBuffer::copy_of(std::span<const std::uint8_t> bytes) {
  SecretBuffer out(bytes.size());
  std::ranges::copy(bytes, out.reveal_mutable().begin());
  return out;
}

void SecretBuffer::clear() {
  arena_free(std::exchange(data_, nullptr));
  size_ = 0;
}

void SecretBuffer::shrink(std::size_t size) {
  if (size >= size_) return;
  if (size == 0) return clear();
  wipe(data_ + size, size_ - size);
  size_ = size;
}

Status harden_process() {
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return fail_errno(Errc::internal, "prctl(PR_SET_DUMPABLE)");
  const rlimit no_core{0, 0};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0) return fail_errno(Errc::internal, "setrlimit(RLIMIT_CORE)");
  // What the unit allows is taken whole; a refusal leaves the soft limit, and secret_memory() says what came
  // of it.
  rlimit locked{};
  if (getrlimit(RLIMIT_MEMLOCK, &locked) == 0 && locked.rlim_cur < locked.rlim_max) {
    locked.rlim_cur = locked.rlim_max;
    (void)setrlimit(RLIMIT_MEMLOCK, &locked);
  }
  // glibc then overwrites what is freed: copies that a library made in the heap do not stay. Its thread cache
  // (small blocks, seven of a size) is exempt; the daemons start without it (loader_environment.h). Returns 0
  // where another allocator took malloc's place (sanitizers): no error.
  constexpr int kPerturb = 0xa5;
  // NOLINTBEGIN(concurrency-mt-unsafe): the start of main, before there is a second thread
  (void)mallopt(M_PERTURB, kPerturb);
  (void)mallopt(M_ARENA_MAX, 1);  // one loop thread and rarely a second: further heaps only cost memory
  // NOLINTEND(concurrency-mt-unsafe)
  (void)umask(S_IRWXG | S_IRWXO);
  return {};
}

}  // namespace akm
