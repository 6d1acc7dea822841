#pragma once
// Secrets have types: move-only, held in one locked arena, wiped, never printed, compared in constant time.
// `reveal()` is the only way in, and easy to grep (rule 8).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "daemon/base/result.h"

namespace akm {

/// Overwrites memory in a way that the compiler keeps.
void wipe(void* memory, std::size_t size);
/// True when equal; takes the same time wherever they differ. Sizes are not secret.
bool equal_in_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);

/// Bytes in the arena (memfd_secret where the kernel has it, else locked, not dumped and wiped on fork).
/// Empty after a move. Allocation failure ends the process: a key daemon has no use without secrets. After
/// fork(2) the child has none of the parent's secrets: touching one is a fault.
class SecretBuffer {
 public:
  SecretBuffer() = default;
  /// Zero-filled. Limits: size up to kSecretMaxBytes.
  explicit SecretBuffer(std::size_t size);
  SecretBuffer(SecretBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  SecretBuffer& operator=(SecretBuffer&& other) noexcept;
  SecretBuffer(const SecretBuffer&) = delete;
  SecretBuffer& operator=(const SecretBuffer&) = delete;
  ~SecretBuffer() { clear(); }

  static SecretBuffer copy_of(std::span<const std::uint8_t> bytes);
  [[nodiscard]] SecretBuffer clone() const { return copy_of(reveal()); }
  /// Wipes and frees.
  void clear();
  /// Keeps the first `size` bytes (at most the present size); the rest is wiped.
  void shrink(std::size_t size);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::span<const std::uint8_t> reveal() const { return {data_, size_}; }
  [[nodiscard]] std::span<std::uint8_t> reveal_mutable() { return {data_, size_}; }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

inline constexpr std::size_t kSecretMaxBytes = std::size_t{1} << 20;

/// Exactly N secret bytes, in the arena. Starts as zeros; a moved-from value must not be used.
template <std::size_t N>
class SecretBytes {
 public:
  SecretBytes() : buffer_(N) {}
  static SecretBytes copy_of(std::span<const std::uint8_t, N> bytes) {
    SecretBytes out;
    std::copy(bytes.begin(), bytes.end(), out.buffer_.reveal_mutable().begin());
    return out;
  }
  [[nodiscard]] SecretBytes clone() const { return copy_of(reveal()); }
  [[nodiscard]] std::span<const std::uint8_t, N> reveal() const {
    return buffer_.reveal().template first<N>();
  }
  [[nodiscard]] std::span<std::uint8_t, N> reveal_mutable() {
    return buffer_.reveal_mutable().template first<N>();
  }
  bool operator==(const SecretBytes& other) const { return equal_in_constant_time(reveal(), other.reveal()); }

 private:
  SecretBuffer buffer_;
};

/// What the arena got from this system, for status and log: the weakest memory that a secret may lie in. It
/// can grow weaker later, when the lock limit (RLIMIT_MEMLOCK) is reached.
enum class SecretMemory : std::uint8_t { memfd_secret, locked, unlocked };
SecretMemory secret_memory();
/// Hardens the process before the first secret: not dumpable, no core files, freed heap memory is overwritten
/// (M_PERTURB), the lock limit raised to what is allowed, umask 077. Call first in main, before any library
/// is used; then crypto::use_arena_for_openssl().
Status harden_process();

}  // namespace akm
