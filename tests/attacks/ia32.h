#pragma once
// A 32-bit system call of a 64-bit program: it runs no system call tracepoint of the 64-bit table.
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "tests/attacks/attack.h"

namespace akm::attacks {

/// Arguments are 32 bits wide: a pointer is one of low_copy(), or 0.
inline int ia32_call([[maybe_unused]] int number, [[maybe_unused]] std::uint32_t a,
                     [[maybe_unused]] std::uint32_t b, [[maybe_unused]] std::uint32_t c,
                     [[maybe_unused]] std::uint32_t d) {
#ifdef __x86_64__
  // A kernel without 32-bit calls ends the process: another one tries first.
  const pid_t child = ::fork();
  if (child == 0) {
    int result = 20;  // getpid
    asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    ::_exit(0);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return kUnavailable;
  int result = number;
  asm volatile("int $0x80"
               : "+a"(result)
               : "b"(a), "c"(b), "d"(c), "S"(d), "D"(0)
               : "memory", "r8", "r9", "r10", "r11");
  if (result == -ENOSYS) return kUnavailable;
  return result < 0 ? -result : 0;
#else
  return kUnavailable;
#endif
}

}  // namespace akm::attacks
