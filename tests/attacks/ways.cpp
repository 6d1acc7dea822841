// Ways to make a call that are not the plain one.
#include <fcntl.h>
#include <liburing.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/attacks/attack.h"

namespace akm::attacks {
namespace {

constexpr int kRaceTurns = 100000;

std::vector<std::string> arguments(const char* act, const Target& target) {
  return {"attack",      act,        std::to_string(target.pid), std::to_string(target.keyring), target.state,
          target.config, target.port};
}

int exec_again(int program, const char* act, const Target& target) {
  std::vector<std::string> words = arguments(act, target);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  char name[16] = {};
  (void)::prctl(PR_GET_NAME, name);
  (void)::setenv(kBearer, name, 1);
  (void)::fexecve(program, argv.data(), environ);
  return errno;
}

}  // namespace

int outcome(long result) {
  return result < 0 ? errno : 0;
}

int open_once(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  return outcome(::close(fd));
}

int copy_file(const char* from, int out) {
  const int in = ::open(from, O_RDONLY | O_CLOEXEC);
  if (in < 0) return errno;
  char block[65536];
  for (ssize_t got = ::read(in, block, sizeof(block)); got > 0; got = ::read(in, block, sizeof(block))) {
    if (::write(out, block, static_cast<std::size_t>(got)) != got) return errno;
  }
  return ::close(in);
}

std::uint32_t low_copy([[maybe_unused]] const void* what, [[maybe_unused]] std::size_t bytes) {
#ifdef __x86_64__
  void* const place =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (place == MAP_FAILED) return 0;
  std::memcpy(place, what, bytes);
  return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(place));
#else
  return 0;
#endif
}

int in_thread(const std::function<int()>& act) {
  int result = 0;
  std::thread([&] { result = act(); }).join();
  return result;
}

int in_namespaces(int flags, const std::function<int()>& act) {
  if (::unshare(flags) != 0) return errno == EINVAL || errno == ENOSPC ? kUnavailable : errno;
  const pid_t child = ::fork();  // a pid namespace begins with the next child
  if (child == 0) ::_exit(act() & 0xff);
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return errno;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
  return code == (kUnavailable & 0xff) ? kUnavailable : code;
}

int open_by_io_uring(int folder, const char* path, int flags) {
  io_uring ring{};
  if (::io_uring_queue_init(4, &ring, 0) != 0) return kUnavailable;
  io_uring_sqe* request = ::io_uring_get_sqe(&ring);
  ::io_uring_prep_openat(request, folder, path, flags, 0);
  (void)::io_uring_submit(&ring);
  io_uring_cqe* done = nullptr;
  if (::io_uring_wait_cqe(&ring, &done) != 0) return EIO;
  const int result = done->res;
  ::io_uring_queue_exit(&ring);
  if (result < 0) return -result;
  return outcome(::close(result));
}

int open_by_race(const std::string& path, int flags) {
  std::vector<char> memory(path.size() + 1);
  std::string harmless = "/dev/null";
  harmless.resize(path.size(), '\0');
  std::memcpy(memory.data(), harmless.data(), path.size());
  std::atomic<bool> over = false;
  std::thread changing([&] {
    while (!over) {
      std::memcpy(memory.data(), path.data(), path.size());
      std::memcpy(memory.data(), harmless.data(), path.size());
    }
  });
  struct stat wanted{};
  (void)::stat(path.c_str(), &wanted);
  bool opened = false;
  int refused = 0;
  for (int i = 0; i < kRaceTurns && !opened; ++i) {
    const int fd = ::open(memory.data(), flags | O_CLOEXEC);
    struct stat got{};
    if (fd < 0 && (errno == EPERM || errno == EACCES)) {
      refused = errno;  // the right file, by a kernel that denies it
      break;
    }
    opened = fd >= 0 && ::fstat(fd, &got) == 0 && got.st_ino == wanted.st_ino && got.st_dev == wanted.st_dev;
    if (fd >= 0) (void)::close(fd);
  }
  over = true;
  changing.join();
  if (refused != 0) return refused;
  return opened ? 0 : kUnavailable;  // a race that was not won changed nothing
}

int again_from_memory(const char* act, const Target& target) {
  const int file = ::memfd_create("tool", MFD_CLOEXEC);
  if (file < 0) return errno == ENOSYS ? kUnavailable : errno;
  if (const int failed = copy_file("/proc/self/exe", file); failed != 0) return failed;
  return exec_again(file, act, target);
}

int again_renamed(const char* act, const Target& target) {
  const std::string name = "/tmp/systemd-journal-" + std::to_string(::getpid());
  const int file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
  if (file < 0) return errno;
  const int failed = copy_file("/proc/self/exe", file);
  (void)::close(file);
  const int program = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
  (void)::unlink(name.c_str());
  return failed != 0 || program < 0 ? EIO : exec_again(program, act, target);
}

}  // namespace akm::attacks
