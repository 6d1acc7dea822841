#include "daemon/base/loader_environment.h"

#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

using namespace akm;
using Environment = std::vector<std::string>;

Test(loader_environment, what_is_missing_is_added) {
  const auto wanted = complete_environment({"PATH=/bin"});
  cr_assert(wanted ==
            Environment({"PATH=/bin", "LD_BIND_NOW=1", "GLIBC_TUNABLES=glibc.malloc.tcache_count=0"}));
}

Test(loader_environment, what_is_there_is_kept) {
  const auto wanted =
      complete_environment({"LD_BIND_NOW=", "GLIBC_TUNABLES=glibc.malloc.arena_max=2", "A=b"});
  cr_assert(wanted == Environment({"GLIBC_TUNABLES=glibc.malloc.arena_max=2:glibc.malloc.tcache_count=0",
                                   "A=b", "LD_BIND_NOW=1"}));
}

Test(loader_environment, a_complete_one_needs_nothing) {
  const auto once = complete_environment({});
  cr_assert(once.has_value());
  cr_assert_not(complete_environment(*once).has_value());
}

// The child starts this test program anew, which prints Criterion's help and ends well.
Test(loader_environment, a_program_starts_anew_once) {
  const pid_t child = fork();
  if (child == 0) {
    (void)clearenv();  // nothing that tells it to be a worker of Criterion
    std::string name = "test";
    std::string help = "--help";
    char* argv[] = {name.data(), help.data(), nullptr};
    (void)settle_environment(argv);
    _exit(3);
  }
  int status = 0;
  cr_assert_eq(waitpid(child, &status, 0), child);
  cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
  (void)setenv("LD_BIND_NOW", "1", 1);
  (void)setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
  cr_assert(settle_environment(nullptr).has_value());
}
