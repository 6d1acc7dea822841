#include "daemon/nmm/bundle_drive.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/base/unique_fd.h"

namespace akm::nmm {
namespace {

constexpr std::size_t kNodeNameBytes = 64;

Status write_all(int fd, std::span<const std::uint8_t> bytes, const std::string& what) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno(Errc::io_failed, what);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

/// The directory itself may stand behind symbolic links of the host (/media/..); what lies in it may not.
Result<UniqueFd> open_directory(const std::string& directory) {
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno(errno == ENOENT ? Errc::not_found : Errc::io_failed, directory);
  return fd;
}

Result<UniqueFd> create_in(int directory, const std::string& name) {
  open_how how{};
  how.flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  how.mode = 0600;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how)));
  if (!fd && errno == ENOSYS) fd.reset(::openat(directory, name.c_str(), static_cast<int>(how.flags), 0600));
  if (!fd) return fail_errno(errno == EEXIST ? Errc::already_exists : Errc::io_failed, name);
  return fd;
}

/// Gives the file its name without replacing one. FAT has no hard links and may have no RENAME_NOREPLACE.
Status rename_new(int directory, const std::string& from, const std::string& to) {
  if (::renameat2(directory, from.c_str(), directory, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EEXIST) return fail(Errc::already_exists, to);
  if (errno != EINVAL && errno != ENOSYS) return fail_errno(Errc::io_failed, to);
  struct stat there{};
  if (::fstatat(directory, to.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0)
    return fail(Errc::already_exists, to);
  if (::renameat(directory, from.c_str(), directory, to.c_str()) != 0) return fail_errno(Errc::io_failed, to);
  return {};
}

}  // namespace

Status check_node_name(std::string_view name) {
  const bool clean = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
  if (name.empty() || name.size() > kNodeNameBytes || name.front() == '.' || !clean) {
    return fail(Errc::invalid_argument, "a node's name has 1 to 64 letters, digits, '.', '-' or '_'");
  }
  return {};
}

Status check_bundle_place(const std::string& directory, std::string_view node_name) {
  AKM_TRY(check_node_name(node_name));
  AKM_ASSIGN(const UniqueFd folder, open_directory(directory));
  const std::string name = std::string(node_name) + ".akmbundle";
  struct stat there{};
  if (::fstatat(folder.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) {
    return fail(Errc::already_exists, directory + "/" + name);
  }
  return {};
}

Result<std::string> write_bundle_file(const std::string& directory, std::string_view node_name,
                                      std::span<const std::uint8_t> bytes) {
  AKM_TRY(check_bundle_place(directory, node_name));
  AKM_ASSIGN(const UniqueFd folder, open_directory(directory));
  const std::string name = std::string(node_name) + ".akmbundle";
  const std::string temporary = "." + name + ".new";
  struct stat there{};
  if (::fstatat(folder.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) {
    return fail(Errc::already_exists, directory + "/" + name);
  }
  // A leftover of an interrupted write: a name of ours, removed as a name, never followed.
  (void)::unlinkat(folder.get(), temporary.c_str(), 0);
  AKM_ASSIGN(UniqueFd file, create_in(folder.get(), temporary));
  Status done = write_all(file.get(), bytes, name);
  if (done && ::fsync(file.get()) != 0) done = fail_errno(Errc::io_failed, name);
  if (done) done = rename_new(folder.get(), temporary, name);
  if (!done) {
    (void)::unlinkat(folder.get(), temporary.c_str(), 0);
    return std::unexpected(done.error());
  }
  if (::fsync(folder.get()) != 0) return fail_errno(Errc::io_failed, directory);
  return directory + "/" + name;
}

}  // namespace akm::nmm
