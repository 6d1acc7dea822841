// Rows D10 and D11: the folders of state and configuration.
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "tests/attacks/attack.h"

namespace akm::attacks {
namespace {

constexpr int kRaceTurns = 20000;

/// A file of the folder that was there before us: the first by name, looked for two folders down.
std::string some_file(const std::string& folder) {
  std::string first;
  std::error_code failed;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, failed)) {
    if (entry.is_regular_file(failed) && (first.empty() || entry.path().string() < first))
      first = entry.path();
  }
  return first;
}

std::string ours(const Target& target) {
  return target.state + "/atk-" + std::to_string(::getpid());
}

int open_for_writing(const Target& target) {
  return open_once(some_file(target.state), O_WRONLY | O_APPEND);
}

int make_and_remove(const Target& target) {
  const int result = open_once(ours(target), O_WRONLY | O_CREAT);
  return result != 0 ? result : outcome(::unlink(ours(target).c_str()));
}

int rename_there_and_back(const Target& target) {
  const std::string file = some_file(target.state);
  const int result = outcome(::rename(file.c_str(), ours(target).c_str()));
  return result != 0 ? result : outcome(::rename(ours(target).c_str(), file.c_str()));
}

int change_mode(const Target& target) {
  struct stat now{};
  const std::string file = some_file(target.state);
  if (::stat(file.c_str(), &now) != 0) return errno;
  return outcome(::chmod(file.c_str(), now.st_mode & 07777));
}

int truncate_to_its_length(const Target& target) {
  struct stat now{};
  const std::string file = some_file(target.state);
  if (::stat(file.c_str(), &now) != 0) return errno;
  return outcome(::truncate(file.c_str(), now.st_size));
}

int attribute(const Target& target) {
  const std::string file = some_file(target.state);
  const int result = outcome(::setxattr(file.c_str(), "trusted.atk", "x", 1, 0));
  if (result == EOPNOTSUPP) return kUnavailable;
  (void)::removexattr(file.c_str(), "trusted.atk");
  return result;
}

int flags_by_ioctl(const Target& target) {
  const int fd = ::open(some_file(target.state).c_str(), O_RDONLY | O_CLOEXEC);
  int flags = 0;
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return kUnavailable;
  const int changed = flags ^ FS_NODUMP_FL;
  const int result = outcome(::ioctl(fd, FS_IOC_SETFLAGS, &changed));
  (void)::ioctl(fd, FS_IOC_SETFLAGS, &flags);
  return result == EOPNOTSUPP || result == ENOTTY ? kUnavailable : result;
}

int by_hard_link(const Target& target) {
  const std::string outside = target.state + "-atk-" + std::to_string(::getpid());
  const int linked = outcome(::link(some_file(target.state).c_str(), outside.c_str()));
  if (linked != 0) return linked;
  const int result = open_once(outside, O_WRONLY | O_APPEND);
  (void)::unlink(outside.c_str());
  return result;
}

int by_descriptor(const Target& target) {
  const int path = ::open(some_file(target.state).c_str(), O_PATH | O_CLOEXEC);
  return open_once("/proc/self/fd/" + std::to_string(path), O_WRONLY | O_APPEND);
}

int by_bind_mount(const Target& target) {
  const std::string name = std::filesystem::relative(some_file(target.state), target.state);
  return in_namespaces(CLONE_NEWNS, [&] {
    char place[] = "/tmp/atk-state-XXXXXX";
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 || ::mkdtemp(place) == nullptr)
      return errno;
    if (::mount(target.state.c_str(), place, nullptr, MS_BIND, nullptr) != 0) return errno;
    const int result = open_once(std::string(place) + "/" + name, O_WRONLY | O_APPEND);
    (void)::umount2(place, MNT_DETACH);
    (void)::rmdir(place);
    return result;
  });
}

int by_io_uring(const Target& target) {
  return open_by_io_uring(AT_FDCWD, some_file(target.state).c_str(), O_WRONLY | O_APPEND);
}

int by_io_uring_relative(const Target& target) {
  const std::string file = some_file(target.state);
  const std::size_t slash = file.rfind('/');
  const int folder = ::open(file.substr(0, slash).c_str(), O_PATH | O_DIRECTORY);
  return open_by_io_uring(folder, file.c_str() + slash + 1, O_WRONLY | O_APPEND);
}

int by_race(const Target& target) {
  return open_by_race(some_file(target.state), O_WRONLY | O_APPEND);
}

/// A call that is no opening, with a name in memory that another thread changes all the time.
int make_by_race(const Target& target) {
  std::string memory = ours(target);
  const std::string wanted = memory;
  const std::string harmless =
      "/tmp/atk-race" + std::string(memory.size() > 13 ? memory.size() - 13 : 0, 'x');
  std::atomic<bool> over = false;
  std::thread changing([&] {
    while (!over) {
      std::memcpy(memory.data(), harmless.data(), wanted.size());
      std::memcpy(memory.data(), wanted.data(), wanted.size());
    }
  });
  int result = kUnavailable;
  for (int i = 0; i < kRaceTurns && result == kUnavailable; ++i) {
    const int made = ::mkdir(memory.c_str(), 0700);
    if (made != 0 && (errno == EPERM || errno == EACCES)) result = errno;
    if (made == 0 && ::rmdir(wanted.c_str()) == 0) result = 0;
    (void)::rmdir(harmless.c_str());
  }
  over = true;
  changing.join();
  return result;
}

int change_times(const Target& target) {
  return outcome(::utimensat(AT_FDCWD, some_file(target.state).c_str(), nullptr, 0));
}

int from_namespaces(const Target& target) {
  return in_namespaces(CLONE_NEWPID | CLONE_NEWNS, [&] { return open_for_writing(target); });
}

int by_thread(const Target& target) {
  return in_thread([&] { return open_for_writing(target); });
}

int from_memory(const Target& target) {
  return again_from_memory("d10-write", target);
}

int renamed(const Target& target) {
  return again_renamed("d10-write", target);
}

int write_configuration(const Target& target) {
  return open_once(some_file(target.config), O_WRONLY | O_APPEND);
}

int read_state(const Target& target) {
  return open_once(some_file(target.state), O_RDONLY);
}

int write_beside(const Target& target) {
  const std::string file = target.state + "-beside-" + std::to_string(::getpid());
  const int result = open_once(file, O_WRONLY | O_CREAT);
  (void)::unlink(file.c_str());
  return result;
}

int mount_over(const Target& target) {
  const int result = outcome(::mount("none", target.config.c_str(), "tmpfs", 0, nullptr));
  if (result != 0) return result;
  return outcome(::umount2(target.config.c_str(), MNT_DETACH));
}

int mount_elsewhere(const Target&) {
  return in_namespaces(CLONE_NEWNS, [] {
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno;
    return outcome(::mount("none", "/tmp", "tmpfs", 0, nullptr));
  });
}

constexpr Attack kTable[] = {
    {"d10-write", "D10", "state-tampering", Kind::attack, open_for_writing},
    {"d10-make", "D10", "state-tampering", Kind::attack, make_and_remove},
    {"d10-rename", "D10", "state-tampering", Kind::attack, rename_there_and_back},
    {"d10-mode", "D10", "state-tampering", Kind::attack, change_mode},
    {"d10-truncate", "D10", "state-tampering", Kind::attack, truncate_to_its_length},
    {"d10-xattr", "D10", "state-tampering", Kind::attack, attribute},
    {"d10-config", "D10", "config-tampering", Kind::attack, write_configuration},
    {"d10-chattr", "D10", "state-tampering", Kind::around, flags_by_ioctl},
    {"d10-hard-link", "D10", "state-tampering", Kind::around, by_hard_link},
    {"d10-fd", "D10", "state-tampering", Kind::around, by_descriptor},
    {"d10-bind", "D10", "state-tampering", Kind::around, by_bind_mount},
    {"d10-uring", "D10", "state-tampering", Kind::around, by_io_uring},
    {"d10-uring-at", "D10", "state-tampering", Kind::around, by_io_uring_relative},
    {"d10-race", "D10", "state-tampering", Kind::around, by_race},
    {"d10-mkdir-race", "D10", "state-tampering", Kind::around, make_by_race},
    {"d10-times", "D10", "state-tampering", Kind::around, change_times},
    {"d10-namespaces", "D10", "state-tampering", Kind::around, from_namespaces},
    {"d10-thread", "D10", "state-tampering", Kind::around, by_thread},
    {"d10-memfd", "D10", "state-tampering", Kind::around, from_memory},
    {"d10-renamed", "D10", "state-tampering", Kind::around, renamed},
    {"ok10-read", "D10", "state-tampering", Kind::benign, read_state},
    {"ok10-beside", "D10", "state-tampering", Kind::benign, write_beside},
    {"d11-over", "D11", "hiding-mount", Kind::attack, mount_over},
    {"ok11-elsewhere", "D11", "hiding-mount", Kind::benign, mount_elsewhere},
};

}  // namespace

std::span<const Attack> on_state() {
  return kTable;
}

}  // namespace akm::attacks
