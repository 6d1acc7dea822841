#include "daemon/node/consumer_access.h"

#include <criterion/criterion.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/support/temporary_folder.h"

using namespace akm;
using node::ConsumerAccess;
using node::ConsumerRule;

namespace {

protocol::AsrDescription asr() {
  protocol::AsrDescription out;
  out.id = 0x6001;
  out.label = "asr-1";
  return out;
}

/// Of this very process.
ConsumerRule rule() {
  return {.name = "vpn",
          .asr = "asr-1",
          .user = std::to_string(::getuid()),
          .executable = std::filesystem::read_symlink("/proc/self/exe").string(),
          .types = {"user"}};
}

Caller self() {
  Caller out;
  out.uid = ::getuid();
  out.pid = ::getpid();
  return out;
}

bool allows(const ConsumerRule& one, const Caller& caller, std::string_view name = "vpn",
            std::string_view type = "user") {
  const ConsumerAccess access({one});
  const auto allowed = access.allow(asr(), name, type, caller);
  cr_assert(allowed || allowed.error().code == Errc::not_authorized);
  return allowed.has_value();
}

}  // namespace

Test(consumer_access, name_relationship_user_type_and_program_must_all_fit) {
  cr_assert(allows(rule(), self()));
  cr_assert_not(ConsumerAccess({}).allow(asr(), "vpn", "user", self()).has_value(),
                "nothing is allowed unsaid");
  cr_assert_not(allows(rule(), self(), "vpn2"));
  cr_assert_not(allows(rule(), self(), "vpn", "logon"));
  ConsumerRule other = rule();
  other.asr = "asr-2";
  cr_assert_not(allows(other, self()));
  other.asr = "0000000000006001";
  cr_assert(allows(other, self()), "by id");
  other = rule();
  other.user = std::to_string(::getuid() + 1);
  cr_assert_not(allows(other, self()));
  other = rule();
  other.executable = "/bin/sh";
  cr_assert_not(allows(other, self()));
  other.executable = "/nonexistent/program";
  cr_assert_not(allows(other, self()));
}

Test(consumer_access, one_of_several_rules_is_enough_and_it_is_told_which) {
  ConsumerRule first = rule();
  first.executable = "/bin/sh";
  ConsumerRule second = rule();
  second.key_bytes = 64;
  const ConsumerAccess access({first, second});
  const auto allowed = access.allow(asr(), "vpn", "user", self());
  cr_assert(allowed);
  cr_assert_eq((*allowed)->key_bytes, 64);
}

Test(consumer_access, unknown_users_are_named_and_allow_nothing) {
  ConsumerRule odd = rule();
  odd.user = "no-such-user-here";
  const ConsumerAccess access({odd});
  cr_assert_eq(access.unknown().size(), 1);
  cr_assert_eq(access.unknown()[0], "user no-such-user-here");
  cr_assert_not(access.allow(asr(), "vpn", "user", self()).has_value());
}

Test(consumer_access, a_program_is_its_file_and_not_its_path) {
  const akm::test::TemporaryFolder folder;
  const std::string copy = folder.file("copy");
  std::filesystem::copy_file("/bin/sleep", copy);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(copy.c_str(), copy.c_str(), "100", nullptr);
    ::_exit(1);
  }
  Caller caller = self();
  caller.pid = child;
  ConsumerRule of_copy = rule();
  of_copy.executable = copy;
  while (std::filesystem::read_symlink("/proc/" + std::to_string(child) + "/exe") != copy) ::usleep(1000);
  cr_assert(allows(of_copy, caller));
  // A new file of this path is another program than the one that runs.
  std::filesystem::remove(copy);
  std::filesystem::copy_file("/bin/sleep", copy);
  cr_assert_not(allows(of_copy, caller));
  (void)::kill(child, SIGKILL);
  (void)::waitpid(child, nullptr, 0);
}

Test(consumer_access, who_has_ended_or_is_not_known_is_refused) {
  Caller nobody = self();
  nobody.pid = 0;
  cr_assert_not(allows(rule(), nobody));
  // The bus gave a handle of a process that has ended; its number could be another's by now, here ours.
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  Caller ended = self();
  ended.process = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  cr_assert_geq(ended.process.get(), 0);
  (void)::waitpid(child, nullptr, 0);
  cr_assert_not(allows(rule(), ended));
}

/// Where the bus gives no handle (dbus-daemon before 1.16), the number is all that there is.
Test(consumer_access, a_process_that_is_younger_than_the_call_has_not_made_it) {
  Caller caller = self();
  caller.asked = Instant{1};
  cr_assert_not(allows(rule(), caller));
  caller.asked = boottime_now();
  cr_assert(allows(rule(), caller));
  caller.asked = Instant{1};
  caller.process = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, caller.pid, 0)));
  cr_assert(allows(rule(), caller), "a handle is better");
}
