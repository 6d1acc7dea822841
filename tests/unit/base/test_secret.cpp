#include "daemon/base/secret.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

#include "daemon/base/secret_arena.h"

using namespace akm;

namespace {

constexpr std::array<std::uint8_t, 5> kBytes{1, 2, 3, 4, 5};

// What an outsider can read of this process at `address`; empty when it is refused.
std::vector<std::uint8_t> read_from_outside(const void* address, std::size_t size) {
  const int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  std::vector<std::uint8_t> out(size);
  const ssize_t got =
      pread(fd, out.data(), size, static_cast<off_t>(reinterpret_cast<std::uintptr_t>(address)));
  (void)close(fd);
  out.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return out;
}

// The flags of the mapping of `address` ("dd" do not dump, "dc" not in a child, "wf" wiped on fork, "lo"
// locked).
std::string mapping_flags(const void* address) {
  std::ifstream smaps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    unsigned long from = 0;
    unsigned long to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) inside = wanted >= from && wanted < to;
    if (inside && line.starts_with("VmFlags:")) return line + " ";
  }
  return {};
}

int exit_of_child(void (*body)(const SecretBuffer&), const SecretBuffer& secret) {
  const pid_t pid = fork();
  if (pid == 0) {
    (void)signal(SIGSEGV, SIG_DFL);
    body(secret);
    _exit(0);
  }
  int status = 0;
  (void)waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

static_assert(!std::is_copy_constructible_v<SecretBuffer> && !std::is_copy_assignable_v<SecretBuffer>);
static_assert(!std::is_copy_constructible_v<SecretBytes<32>> &&
              std::is_nothrow_move_constructible_v<SecretBytes<32>>);

Test(secret, wipe_overwrites) {
  std::array<std::uint8_t, 5> bytes = kBytes;
  wipe(bytes.data(), 3);
  cr_assert(bytes == (std::array<std::uint8_t, 5>{0, 0, 0, 4, 5}));
  wipe(nullptr, 0);
}

Test(secret, comparison_in_constant_time_compares) {
  std::vector<std::uint8_t> a(64);
  std::iota(a.begin(), a.end(), std::uint8_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (const int bit : {0x01, 0x80}) {
      std::vector<std::uint8_t> b = a;
      b[i] = static_cast<std::uint8_t>(b[i] ^ bit);
      cr_assert(!equal_in_constant_time(a, b));
    }
  }
  cr_assert(equal_in_constant_time(a, std::vector<std::uint8_t>(a)));
  cr_assert(!equal_in_constant_time(a, std::span(a).first(63)));
  cr_assert(equal_in_constant_time({}, {}));
}

Test(secret, starts_as_zeros_and_holds_what_is_copied) {
  const SecretBuffer zeros(100);
  for (const auto byte : zeros.reveal()) cr_assert_eq(byte, 0);
  const SecretBuffer copy = SecretBuffer::copy_of(kBytes);
  cr_assert(equal_in_constant_time(copy.reveal(), kBytes));
  const SecretBuffer clone = copy.clone();
  cr_assert_neq(clone.reveal().data(), copy.reveal().data());
  cr_assert(equal_in_constant_time(clone.reveal(), kBytes));
  cr_assert(SecretBuffer().empty());
  cr_assert(SecretBuffer::copy_of({}).empty());
}

Test(secret, moving_leaves_nothing_behind) {
  const std::size_t before = arena_usage().live_blocks;
  SecretBuffer first = SecretBuffer::copy_of(kBytes);
  SecretBuffer second = std::move(first);
  cr_assert(first.empty());  // NOLINT(bugprone-use-after-move): what is tested
  cr_assert_eq(second.size(), 5);
  SecretBuffer third(10);
  third = std::move(second);
  cr_assert_eq(third.size(), 5);
  cr_assert_eq(arena_usage().live_blocks, before + 1);
  third.clear();
  cr_assert(third.empty());
  cr_assert_eq(arena_usage().live_blocks, before);
}

#if !defined(__SANITIZE_ADDRESS__)
Test(secret, freed_and_shrunk_memory_is_wiped) {
  SecretBuffer buffer = SecretBuffer::copy_of(kBytes);
  const std::uint8_t* at = buffer.reveal().data();
  buffer.shrink(2);
  cr_assert_eq(buffer.size(), 2);
  cr_assert(at[1] == 2 && at[2] == 0 && at[4] == 0);
  buffer.shrink(100);  // never grows
  cr_assert_eq(buffer.size(), 2);
  buffer.clear();
  // The arena keeps its pages, so that the place can still be looked at.
  const volatile std::uint8_t* freed = at;
  cr_assert(freed[0] == 0 && freed[1] == 0);
}
#endif

Test(secret, fixed_size) {
  const SecretBytes<5> a = SecretBytes<5>::copy_of(kBytes);
  const SecretBytes<5> b = a.clone();
  cr_assert(a == b);
  cr_assert(!(a == SecretBytes<5>()));
  SecretBytes<5> c = a.clone();
  c.reveal_mutable()[0] = 9;
  cr_assert(!(a == c));
}

Test(secret, memory_is_not_dumped_and_not_inherited) {
  const SecretBuffer secret = SecretBuffer::copy_of(kBytes);
  const std::string flags = mapping_flags(secret.reveal().data());
  cr_assert_neq(flags.find(" dd "), std::string::npos, "%s", flags.c_str());
  cr_assert(flags.find(" dc ") != std::string::npos || flags.find(" wf ") != std::string::npos, "%s",
            flags.c_str());
  if (secret_memory() != SecretMemory::unlocked) cr_assert_neq(flags.find(" lo "), std::string::npos);
}

// memfd_secret: not even this process reads it through the kernel.
Test(secret, memfd_secret_is_hidden_from_proc_mem) {
  if (secret_memory() != SecretMemory::memfd_secret) cr_skip_test("no memfd_secret on this kernel");
  const SecretBuffer secret = SecretBuffer::copy_of(kBytes);
  cr_assert_eq(secret.reveal()[4], 5);
  cr_assert(read_from_outside(secret.reveal().data(), 5).empty());
  std::array<std::uint8_t, 5> plain = kBytes;
  cr_assert_eq(read_from_outside(plain.data(), 5).size(), 5);  // the way of reading works
}

Test(secret, a_child_has_none_of_it_but_can_have_its_own) {
  const SecretBuffer secret = SecretBuffer::copy_of(kBytes);
  const auto touch = [](const SecretBuffer& parents) {
    const volatile std::uint8_t first = parents.reveal()[0];
    _exit(first == 0 ? 3 : 4);
  };
  const int touched = exit_of_child(touch, secret);
#if defined(__SANITIZE_ADDRESS__)
  cr_assert_neq(touched, 4);  // the sanitizer ends the child in its own way
#else
  cr_assert_eq(touched, 128 + SIGSEGV);
#endif
  const auto own = [](const SecretBuffer& parents) {
    SecretBuffer mine = SecretBuffer::copy_of(kBytes);
    if (mine.reveal()[4] != 5) _exit(5);
    mine.clear();
    const_cast<SecretBuffer&>(parents)
        .clear();  // a destructor of the parent's object in the child does nothing
  };
  cr_assert_eq(exit_of_child(own, secret), 0);
  cr_assert_eq(secret.reveal()[4], 5);  // the parent's is untouched
}

Test(secret, too_large_ends_the_process, .signal = SIGABRT) {
  const SecretBuffer secret(kSecretMaxBytes + 1);
}

Test(secret, the_largest_is_possible) {
  SecretBuffer secret(kSecretMaxBytes);
  secret.reveal_mutable()[kSecretMaxBytes - 1] = 1;
  cr_assert_eq(secret.size(), kSecretMaxBytes);
}

Test(secret, a_hardened_process) {
  cr_assert(harden_process().has_value());
  cr_assert_eq(prctl(PR_GET_DUMPABLE), 0);
  rlimit core{};
  cr_assert_eq(getrlimit(RLIMIT_CORE, &core), 0);
  cr_assert(core.rlim_cur == 0 && core.rlim_max == 0);
  rlimit locked{};
  cr_assert_eq(getrlimit(RLIMIT_MEMLOCK, &locked), 0);
  cr_assert_eq(locked.rlim_cur, locked.rlim_max);
  cr_assert_eq(umask(0), 077);
#if !defined(__SANITIZE_ADDRESS__)
  // M_PERTURB is in force: it shows in what malloc gives, which has the complement of what free writes.
  // (Above the sizes of glibc's thread cache, which it leaves alone.)
  auto* block = static_cast<std::uint8_t*>(std::malloc(4096));
  cr_assert_eq(block[2000], 0x5a);
  std::free(block);
#endif
}
