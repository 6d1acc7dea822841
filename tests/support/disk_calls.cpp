#include "tests/support/disk_calls.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace akm::testing {
namespace {

DiskCalls* g_active = nullptr;

std::string_view last_part(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// A call that the model of the disk does not know would make its states wrong without a word.
[[noreturn]] void unknown(const char* call) {
  std::fprintf(stderr, "%s: not modelled (tests/support/crash_states.h)\n", call);
  std::abort();
}

}  // namespace

DiskCalls::DiskCalls(const std::string& folder) {
  struct stat status{};
  if (g_active != nullptr || ::stat(folder.c_str(), &status) != 0) unknown("start");
  numbers_[{status.st_dev, status.st_ino}] = 0;
  g_active = this;
}

DiskCalls::~DiskCalls() {
  g_active = nullptr;
}

DiskCalls* DiskCalls::active() {
  return g_active;
}

bool DiskCalls::fails() {
  ++changes;
  const bool now = fault && (changes == fault->change || (fault->from_then_on && changes > fault->change));
  if (now) errno = fault->error;
  return now;
}

std::optional<std::size_t> DiskCalls::find(const struct stat& status) const {
  const auto at = numbers_.find({status.st_dev, status.st_ino});
  if (at == numbers_.end()) return std::nullopt;
  return at->second;
}

std::optional<std::size_t> DiskCalls::number_of(int fd) const {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return std::nullopt;
  return find(status);
}

std::optional<std::size_t> DiskCalls::parent_of(int folder, const char* path) const {
  const std::string_view whole(path);
  const std::size_t slash = whole.rfind('/');
  struct stat status{};
  int seen = 0;
  if (slash != std::string_view::npos) {
    seen = ::fstatat(folder, slash == 0 ? "/" : std::string(whole.substr(0, slash)).c_str(), &status, 0);
  } else {
    seen = folder == AT_FDCWD ? ::stat(".", &status) : ::fstat(folder, &status);
  }
  if (seen != 0) return std::nullopt;
  return find(status);
}

std::size_t DiskCalls::made(const struct stat& status) {
  // An inode's number is given again once the file is gone: the newest owner has it.
  return numbers_[{status.st_dev, status.st_ino}] = ++last_;
}

}  // namespace akm::testing

namespace {

using akm::testing::DiskCall;
using akm::testing::DiskCalls;
using Kind = DiskCall::Kind;

}  // namespace

extern "C" {

// The names are the linker's.
// NOLINTBEGIN(bugprone-reserved-identifier, cert-dcl37-c, cert-dcl51-cpp): --wrap makes them
int __real_openat(int folder, const char* path, int flags, ...);
ssize_t __real_write(int fd, const void* bytes, size_t size);
ssize_t __real_pwrite(int fd, const void* bytes, size_t size, off_t at);
int __real_ftruncate(int fd, off_t size);
int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_syncfs(int fd);
int __real_renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags);
int __real_unlinkat(int folder, const char* path, int flags);
int __real_mkdirat(int folder, const char* path, mode_t mode);
int __real_linkat(int from_folder, const char* from, int to_folder, const char* to, int flags);

static int open_and_note(int folder, const char* path, int flags, mode_t mode) {
  DiskCalls* const calls = DiskCalls::active();
  const auto parent = calls != nullptr ? calls->parent_of(folder, path) : std::nullopt;
  if (!parent) return __real_openat(folder, path, flags, mode);
  struct stat status{};
  const bool there = ::fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
  const bool changes = there ? (flags & O_TRUNC) != 0 : (flags & O_CREAT) != 0;
  if (changes && calls->fails()) return -1;
  const int fd = __real_openat(folder, path, flags, mode);
  if (fd < 0 || !changes || ::fstat(fd, &status) != 0) return fd;
  if (there) {
    calls->calls.push_back({.kind = Kind::resize, .node = *calls->number_of(fd), .name = {}});
  } else {
    calls->calls.push_back({.kind = Kind::make_file,
                            .node = calls->made(status),
                            .folder = *parent,
                            .name = std::string(akm::testing::last_part(path))});
  }
  return fd;
}

int __wrap_open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_and_note(AT_FDCWD, path, flags, mode);
}

int __wrap_openat(int folder, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_and_note(folder, path, flags, mode);
}

static ssize_t write_and_note(int fd, const void* bytes, size_t size, off_t at, bool moves) {
  DiskCalls* const calls = DiskCalls::active();
  const auto node = calls != nullptr ? calls->number_of(fd) : std::nullopt;
  if (node && calls->fails()) return -1;
  const ssize_t done = moves ? __real_write(fd, bytes, size) : __real_pwrite(fd, bytes, size, at);
  if (done <= 0 || !node) return done;
  const auto* first = static_cast<const std::uint8_t*>(bytes);
  calls->calls.push_back({.kind = Kind::write,
                          .node = *node,
                          .name = {},
                          .at = static_cast<std::size_t>(at),
                          .bytes = {first, first + done}});
  return done;
}

ssize_t __wrap_write(int fd, const void* bytes, size_t size) {
  // Sockets and pipes have no place, and are nobody's file.
  return write_and_note(fd, bytes, size, ::lseek(fd, 0, SEEK_CUR), true);
}

ssize_t __wrap_pwrite(int fd, const void* bytes, size_t size, off_t at) {
  return write_and_note(fd, bytes, size, at, false);
}

int __wrap_ftruncate(int fd, off_t size) {
  DiskCalls* const calls = DiskCalls::active();
  const auto node = calls != nullptr ? calls->number_of(fd) : std::nullopt;
  if (node && calls->fails()) return -1;
  const int done = __real_ftruncate(fd, size);
  if (done == 0 && node) {
    calls->calls.push_back(
        {.kind = Kind::resize, .node = *node, .name = {}, .at = static_cast<std::size_t>(size)});
  }
  return done;
}

static int sync_and_note(int fd, int (*sync)(int), Kind kind) {
  DiskCalls* const calls = DiskCalls::active();
  const auto node = calls != nullptr ? calls->number_of(fd) : std::nullopt;
  if (node && calls->fails()) return -1;
  const int done = sync(fd);
  if (done != 0 || !node || ++calls->syncs == calls->lost_sync) return done;
  calls->calls.push_back({.kind = kind, .node = *node, .name = {}});
  return done;
}

int __wrap_fsync(int fd) {
  return sync_and_note(fd, __real_fsync, Kind::sync);
}
int __wrap_fdatasync(int fd) {
  return sync_and_note(fd, __real_fdatasync, Kind::sync);
}
int __wrap_syncfs(int fd) {
  return sync_and_note(fd, __real_syncfs, Kind::sync_all);
}

int __wrap_renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  DiskCalls* const calls = DiskCalls::active();
  const auto source = calls != nullptr ? calls->parent_of(from_folder, from) : std::nullopt;
  const auto target = calls != nullptr ? calls->parent_of(to_folder, to) : std::nullopt;
  if (source != target) akm::testing::unknown("rename between folders");
  if ((flags & RENAME_EXCHANGE) != 0) akm::testing::unknown("RENAME_EXCHANGE");
  if (source && calls->fails()) return -1;
  const int done = __real_renameat2(from_folder, from, to_folder, to, flags);
  if (done == 0 && source) {
    calls->calls.push_back({.kind = Kind::rename,
                            .folder = *source,
                            .name = std::string(akm::testing::last_part(from)),
                            .to = std::string(akm::testing::last_part(to))});
  }
  return done;
}
int __wrap_renameat(int from_folder, const char* from, int to_folder, const char* to) {
  return __wrap_renameat2(from_folder, from, to_folder, to, 0);
}
int __wrap_rename(const char* from, const char* to) {
  return __wrap_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int __wrap_unlinkat(int folder, const char* path, int flags) {
  DiskCalls* const calls = DiskCalls::active();
  const auto parent = calls != nullptr ? calls->parent_of(folder, path) : std::nullopt;
  if (parent && calls->fails()) return -1;
  const int done = __real_unlinkat(folder, path, flags);
  if (done == 0 && parent) {
    calls->calls.push_back(
        {.kind = Kind::unlink, .folder = *parent, .name = std::string(akm::testing::last_part(path))});
  }
  return done;
}
int __wrap_unlink(const char* path) {
  return __wrap_unlinkat(AT_FDCWD, path, 0);
}

int __wrap_mkdirat(int folder, const char* path, mode_t mode) {
  DiskCalls* const calls = DiskCalls::active();
  const auto parent = calls != nullptr ? calls->parent_of(folder, path) : std::nullopt;
  struct stat status{};
  const bool there = ::fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (parent && !there && calls->fails()) return -1;
  const int done = __real_mkdirat(folder, path, mode);
  if (done == 0 && parent && ::fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0) {
    calls->calls.push_back({.kind = Kind::make_folder,
                            .node = calls->made(status),
                            .folder = *parent,
                            .name = std::string(akm::testing::last_part(path))});
  }
  return done;
}
int __wrap_mkdir(const char* path, mode_t mode) {
  return __wrap_mkdirat(AT_FDCWD, path, mode);
}

int __wrap_linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) {
  if (DiskCalls::active() != nullptr && DiskCalls::active()->parent_of(to_folder, to))
    akm::testing::unknown("link");
  return __real_linkat(from_folder, from, to_folder, to, flags);
}
int __wrap_link(const char* from, const char* to) {
  return __wrap_linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}
// NOLINTEND(bugprone-reserved-identifier, cert-dcl37-c, cert-dcl51-cpp)

}  // extern "C"
