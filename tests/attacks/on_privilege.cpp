// Row D31: capabilities that a process had not.
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "tests/attacks/attack.h"
#include "tests/attacks/ia32.h"

namespace akm::attacks {
namespace {

constexpr int kIa32Capset = 185;
constexpr uid_t kNobody = 65534;

struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2]{};
};

int read_capabilities(Capabilities& out) {
  return outcome(::syscall(SYS_capget, &out.header, out.sets));
}

/// Lays one down that stays permitted: taking it up again is allowed.
int lay_down(Capabilities& all) {
  if (const int failed = read_capabilities(all); failed != 0) return failed;
  Capabilities less = all;
  less.sets[0].effective &= ~(1U << CAP_SYS_PTRACE);
  return outcome(::syscall(SYS_capset, &less.header, less.sets));
}

int raise() {
  Capabilities all;
  if (const int failed = lay_down(all); failed != 0) return failed;
  return outcome(::syscall(SYS_capset, &all.header, all.sets));
}

int raise_capability(const Target&) {
  return raise();
}

int lower_capability(const Target&) {
  Capabilities all;
  return lay_down(all);
}

int raise_in_thread(const Target&) {
  return in_thread(raise);
}

int raise_from_memory(const Target& target) {
  return again_from_memory("d31-capset", target);
}

int raise_by_ia32(const Target&) {
  Capabilities all;
  if (const int failed = lay_down(all); failed != 0) return failed;
  const std::uint32_t header = low_copy(&all.header, sizeof(all.header));
  const std::uint32_t sets = low_copy(all.sets, sizeof(all.sets));
  if (header == 0 || sets == 0) return kUnavailable;
  return ia32_call(kIa32Capset, header, sets, 0, 0);
}

/// Who makes a user namespace has all capabilities in it.
int raise_in_user_namespace(const Target&) {
  Capabilities all;
  if (const int failed = lay_down(all); failed != 0) return failed;
  return in_namespaces(CLONE_NEWUSER, [] { return 0; });
}

/// A program that brings it to a user without rights, as passwd(1) or an intruder's back door does.
int run_as_nobody(const std::string& path) {
  const pid_t child = ::fork();
  if (child == 0) {
    (void)::dup2(::open("/dev/null", O_WRONLY), STDOUT_FILENO);
    if (::setresgid(kNobody, kNobody, kNobody) != 0 || ::setresuid(kNobody, kNobody, kNobody) != 0)
      ::_exit(1);
    (void)::execl(path.c_str(), "attack", "list", nullptr);
    ::_exit(1);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return errno;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : kUnavailable;
}

int run_with_file_capability(const Target&) {
  const std::string path = "/tmp/atk-file-" + std::to_string(::getpid());
  const int out = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (out < 0) return errno;
  int result = copy_file("/proc/self/exe", out);
  (void)::fchmod(out, 0755);
  (void)::close(out);
  vfs_cap_data brings{};
  brings.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
  brings.data[0].permitted = 1U << CAP_SYS_PTRACE;
  if (result == 0)
    result = outcome(::setxattr(path.c_str(), "security.capability", &brings, XATTR_CAPS_SZ_2, 0));
  if (result == 0) result = run_as_nobody(path);
  (void)::unlink(path.c_str());
  return result == EOPNOTSUPP ? kUnavailable : result;
}

constexpr const char* kClass = "privilege-gain";
constexpr Attack kTable[] = {
    {"d31-capset", "D31", kClass, Kind::attack, raise_capability},
    {"d31-file", "D31", kClass, Kind::attack, run_with_file_capability},
    {"d31-thread", "D31", kClass, Kind::around, raise_in_thread},
    {"d31-memfd", "D31", kClass, Kind::around, raise_from_memory},
    {"d31-ia32", "D31", kClass, Kind::around, raise_by_ia32},
    {"d31-userns", "D31", kClass, Kind::around, raise_in_user_namespace},
    {"ok31-lower", "D31", kClass, Kind::benign, lower_capability},
};

}  // namespace

std::span<const Attack> on_privilege() {
  return kTable;
}

}  // namespace akm::attacks
