// Rows D2, D3, D8, D16 and D18: the node's process, its memory and descriptors.
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "tests/attacks/attack.h"
#include "tests/attacks/ia32.h"

namespace akm::attacks {
namespace {

constexpr int kIa32Ptrace = 26;

std::string process_file(const Target& target, const char* name) {
  return "/proc/" + std::to_string(target.pid) + "/" + name;
}

/// Some address of the process that can be read.
void* first_address(const Target& target) {
  std::FILE* maps = std::fopen(process_file(target, "maps").c_str(), "r");
  unsigned long begin = 0;
  if (maps == nullptr) return nullptr;
  if (std::fscanf(maps, "%lx", &begin) != 1) begin = 0;
  (void)std::fclose(maps);
  return reinterpret_cast<void*>(begin);
}

int seize(const Target& target) {
  const long result = ::ptrace(PTRACE_SEIZE, target.pid, nullptr, nullptr);
  return outcome(result);  // it is let go when we end
}

int read_memory(const Target& target) {
  char room[16];
  const iovec here{room, sizeof(room)};
  const iovec there{first_address(target), sizeof(room)};
  return outcome(::process_vm_readv(target.pid, &here, 1, &there, 1, 0));
}

int open_memory(const Target& target) {
  return open_once(process_file(target, "mem"), O_RDONLY);
}

int take_descriptor(const Target& target) {
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, target.pid, 0));
  if (process < 0) return errno == ENOSYS ? kUnavailable : errno;
  return outcome(::syscall(SYS_pidfd_getfd, process, 1, 0));
}

int memory_by_folder(const Target& target) {
  const int folder = ::open(process_file(target, "").c_str(), O_PATH | O_DIRECTORY);
  const int fd = ::openat(folder, "mem", O_RDONLY);
  return fd < 0 ? errno : outcome(::close(fd));
}

int memory_by_link(const Target& target) {
  const std::string link = "/tmp/atk-link-" + std::to_string(::getpid());
  if (::symlink(process_file(target, "mem").c_str(), link.c_str()) != 0) return errno;
  const int result = open_once(link, O_RDONLY);
  (void)::unlink(link.c_str());
  return result;
}

int memory_of_thread(const Target& target) {
  DIR* threads = ::opendir(process_file(target, "task").c_str());
  if (threads == nullptr) return errno;
  std::string last;
  while (const dirent* one = ::readdir(threads)) {
    if (one->d_name[0] != '.') last = one->d_name;
  }
  (void)::closedir(threads);
  return open_once(process_file(target, "task/") + last + "/mem", O_RDONLY);
}

/// Another mount of the same /proc, in a mount namespace of our own.
int memory_by_bind(const Target& target) {
  return in_namespaces(CLONE_NEWNS, [&] {
    char place[] = "/tmp/atk-proc-XXXXXX";
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 || ::mkdtemp(place) == nullptr)
      return errno;
    if (::mount("/proc", place, nullptr, MS_BIND, nullptr) != 0) return errno;
    const int result = open_once(std::string(place) + "/" + std::to_string(target.pid) + "/mem", O_RDONLY);
    (void)::umount2(place, MNT_DETACH);
    (void)::rmdir(place);
    return result;
  });
}

int memory_by_io_uring(const Target& target) {
  return open_by_io_uring(AT_FDCWD, process_file(target, "mem").c_str(), O_RDONLY);
}

int memory_by_io_uring_folder(const Target& target) {
  return open_by_io_uring(::open(process_file(target, "").c_str(), O_PATH | O_DIRECTORY), "mem", O_RDONLY);
}

int memory_by_race(const Target& target) {
  return open_by_race(process_file(target, "mem"), O_RDONLY);
}

/// A descriptor that only names the file, opened again.
int memory_by_descriptor(const Target& target) {
  const int path = ::open(process_file(target, "mem").c_str(), O_PATH | O_CLOEXEC);
  return open_once("/proc/self/fd/" + std::to_string(path), O_RDONLY);
}

int memory_from_namespaces(const Target& target) {
  return in_namespaces(CLONE_NEWNS | CLONE_NEWNET, [&] { return read_memory(target); });
}

int seize_by_ia32(const Target& target) {
  return ia32_call(kIa32Ptrace, PTRACE_SEIZE, static_cast<std::uint32_t>(target.pid), 0, 0);
}

int memory_from_memfd(const Target& target) {
  return again_from_memory("d2-mem", target);
}

int memory_renamed(const Target& target) {
  return again_renamed("d2-mem", target);
}

int memory_from_thread(const Target& target) {
  return in_thread([&] { return open_memory(target); });
}

int look_at_status(const Target& target) {
  for (const char* name : {"status", "stat", "cmdline", "cgroup"}) {
    if (const int failed = open_once(process_file(target, name), O_RDONLY); failed != 0) return failed;
  }
  return 0;
}

int debug_own_child(const Target&) {
  const pid_t child = ::fork();
  if (child == 0) {
    (void)::pause();
    ::_exit(0);
  }
  const int result = outcome(::ptrace(PTRACE_SEIZE, child, nullptr, nullptr));
  (void)::kill(child, SIGKILL);
  (void)::waitpid(child, nullptr, 0);
  return result != 0 ? result : open_once("/proc/self/mem", O_RDONLY);
}

int open_maps(const Target& target) {
  return open_once(process_file(target, "maps"), O_RDONLY);
}

int open_environment(const Target& target) {
  return open_once(process_file(target, "environ"), O_RDONLY);
}

int maps_by_io_uring(const Target& target) {
  return open_by_io_uring(::open(process_file(target, "").c_str(), O_PATH | O_DIRECTORY), "maps", O_RDONLY);
}

int look_at_own_maps(const Target&) {
  return open_once("/proc/self/maps", O_RDONLY);
}

int stop_and_go_on(const Target& target) {
  const int result = outcome(::kill(target.pid, SIGSTOP));
  (void)::usleep(1000);
  return result != 0 ? result : outcome(::kill(target.pid, SIGCONT));
}

int signal_by_pidfd(const Target& target) {
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, target.pid, 0));
  if (process < 0) return errno == ENOSYS ? kUnavailable : errno;
  const int result = outcome(::syscall(SYS_pidfd_send_signal, process, SIGSTOP, nullptr, 0));
  (void)::usleep(1000);
  return result != 0 ? result : outcome(::kill(target.pid, SIGCONT));
}

int ask_whether_alive(const Target& target) {
  return outcome(::kill(target.pid, 0));
}

int read_preload(const Target&) {
  const int result = open_once("/etc/ld.so.preload", O_RDONLY);
  return result == ENOENT ? 0 : result;
}

int preload_for_all(const Target&) {
  struct stat before{};
  const bool was_there = ::stat("/etc/ld.so.preload", &before) == 0;
  const int result = open_once("/etc/ld.so.preload", O_WRONLY | O_CREAT | O_APPEND);
  if (!was_there) (void)::unlink("/etc/ld.so.preload");
  return result;
}

/// A child becomes a debugger, which does nothing.
int start_tool(const Target&) {
  for (const char* path : {"/usr/bin/gdb", "/usr/bin/strace"}) {
    if (::access(path, X_OK) != 0) continue;
    const pid_t child = ::fork();
    if (child == 0) {
      const int nowhere = ::open("/dev/null", O_WRONLY);
      (void)::dup2(nowhere, STDOUT_FILENO);
      (void)::dup2(nowhere, STDERR_FILENO);
      (void)::execl(path, path, "--version", nullptr);
      ::_exit(1);
    }
    int status = 0;
    return ::waitpid(child, &status, 0) == child ? 0 : errno;
  }
  return kUnavailable;
}

int start_other(const Target&) {
  const pid_t child = ::fork();
  if (child == 0) {
    (void)::execl("/bin/true", "/bin/true", nullptr);
    ::_exit(1);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child ? 0 : errno;
}

constexpr Attack kTable[] = {
    {"d2-attach", "D2", "process-access", Kind::attack, seize},
    {"d2-vm-read", "D2", "process-access", Kind::attack, read_memory},
    {"d2-mem", "D2", "process-access", Kind::attack, open_memory},
    {"d2-getfd", "D2", "process-access", Kind::attack, take_descriptor},
    {"d2-mem-folder", "D2", "process-access", Kind::around, memory_by_folder},
    {"d2-mem-link", "D2", "process-access", Kind::around, memory_by_link},
    {"d2-mem-task", "D2", "process-access", Kind::around, memory_of_thread},
    {"d2-mem-bind", "D2", "process-access", Kind::around, memory_by_bind},
    {"d2-mem-uring", "D2", "process-access", Kind::around, memory_by_io_uring},
    {"d2-mem-uring-at", "D2", "process-access", Kind::around, memory_by_io_uring_folder},
    {"d2-mem-race", "D2", "process-access", Kind::around, memory_by_race},
    {"d2-mem-memfd", "D2", "process-access", Kind::around, memory_from_memfd},
    {"d2-mem-renamed", "D2", "process-access", Kind::around, memory_renamed},
    {"d2-mem-thread", "D2", "process-access", Kind::around, memory_from_thread},
    {"d2-mem-fd", "D2", "process-access", Kind::around, memory_by_descriptor},
    {"d2-namespaces", "D2", "process-access", Kind::around, memory_from_namespaces},
    {"d2-ia32", "D2", "process-access", Kind::around, seize_by_ia32},
    {"ok2-status", "D2", "process-access", Kind::benign, look_at_status},
    {"ok2-own-child", "D2", "process-access", Kind::benign, debug_own_child},
    {"d3-maps", "D3", "process-inspection", Kind::attack, open_maps},
    {"d3-environ", "D3", "process-inspection", Kind::attack, open_environment},
    {"d3-maps-uring", "D3", "process-inspection", Kind::around, maps_by_io_uring},
    {"ok3-own-maps", "D3", "process-inspection", Kind::benign, look_at_own_maps},
    {"d8-stop", "D8", "daemon-signal", Kind::attack, stop_and_go_on},
    {"d8-pidfd", "D8", "daemon-signal", Kind::around, signal_by_pidfd},
    {"ok8-alive", "D8", "daemon-signal", Kind::benign, ask_whether_alive},
    {"d16-debugger", "D16", "debugger-started", Kind::attack, start_tool},
    {"ok16-true", "D16", "debugger-started", Kind::benign, start_other},
    {"d18-preload", "D18", "foreign-code", Kind::attack, preload_for_all, Changes::etc},
    {"ok18-read", "D18", "foreign-code", Kind::benign, read_preload},
};

}  // namespace

std::span<const Attack> on_process() {
  return kTable;
}

}  // namespace akm::attacks
