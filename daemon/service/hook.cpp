#include "daemon/service/hook.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <vector>

#include "daemon/base/unique_fd.h"

namespace akm::service {
namespace {

constexpr int kCannotRun = 126;

/// Root's alone: who may write to it could have the daemon run anything.
Status check_owner(const std::string& path, const struct stat& info) {
  if (info.st_uid != 0) return fail(Errc::refused_by_policy, path + " does not belong to root");
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(Errc::refused_by_policy, path + " can be written to by others than root");
  return {};
}

// After fork() in a process with threads: nothing but system calls.
[[noreturn]] void become(const char* program, char* const* environment) {
  // The daemon's session keyring holds its keys, and a child would possess them.
  if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0) ::_exit(kCannotRun);
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  const sched_param ordinary{};
  ::sched_setscheduler(0, SCHED_OTHER, &ordinary);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || ::chdir("/") != 0) ::_exit(kCannotRun);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, fd);
  if (::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) != 0) ::_exit(kCannotRun);
  // A daemon that is not root has its capabilities in such a way that what it executes would have them too.
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const __user_cap_data_struct none_of_them[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capset, &header, none_of_them) != 0) ::_exit(kCannotRun);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): execve() writes to none of them
  char* const arguments[] = {const_cast<char*>(program), nullptr};
  ::execve(program, arguments, environment);
  ::_exit(kCannotRun);
}

Status wait_for(pid_t pid, const std::string& program, Duration timeout) {
  const UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const auto most = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
  pollfd watched{.fd = handle.get(), .events = POLLIN, .revents = 0};
  const bool ended = handle && ::poll(&watched, 1, static_cast<int>(most)) == 1;
  // The whole group: what it has left behind would go on without anybody's knowing.
  ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) return fail(Errc::timed_out, program);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(Errc::io_failed,
              program + (WIFEXITED(status) ? " ended with status " + std::to_string(WEXITSTATUS(status))
                                           : " was ended by a signal"));
}

}  // namespace

Status check_hook(const std::string& program) {
  if (!program.starts_with('/')) return fail(Errc::refused_by_policy, program + " is no absolute path");
  struct stat info{};
  for (std::size_t slash = program.find('/', 1);; slash = program.find('/', slash + 1)) {
    const std::string path = program.substr(0, slash);
    // A link's own rights say nothing; its target could be changed by whoever owns the folder it leads to.
    if (::lstat(path.c_str(), &info) != 0) return fail_errno(Errc::io_failed, path);
    if (S_ISLNK(info.st_mode)) return fail(Errc::refused_by_policy, path + " is a link");
    AKM_TRY(check_owner(path, info));
    if (slash == std::string::npos) break;
  }
  if (!S_ISREG(info.st_mode) || (info.st_mode & S_IXUSR) == 0)
    return fail(Errc::refused_by_policy, program + " cannot be executed");
  // The daemon itself may pass over the mode; what it executes may not.
  constexpr mode_t kOthers = S_IROTH | S_IXOTH;
  if (::geteuid() != 0 && (info.st_mode & kOthers) != kOthers)
    return fail(Errc::refused_by_policy,
                program + " has to be readable and executable for the daemon's user (mode 0755)");
  return {};
}

Status run_hook(const std::string& program, const std::map<std::string, std::string>& environment,
                Duration timeout) {
  AKM_TRY(check_hook(program));
  std::vector<std::string> texts;
  texts.reserve(environment.size());
  for (const auto& [name, value] : environment) texts.push_back(name + "=" + value);
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(Errc::io_failed, program);
  if (pid == 0) become(program.c_str(), pointers.data());
  return wait_for(pid, program, timeout);
}

}  // namespace akm::service
