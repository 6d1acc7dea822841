#include "daemon/nmm/bundle_drive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/base/open_beneath.h"

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

Status check_bundle_place(const BundleTarget& target, std::string_view node_name) {
  AKM_TRY(check_node_name(node_name));
  const std::string name = std::string(node_name) + ".akmbundle";
  struct stat there{};
  if (::fstatat(target.folder(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) {
    return fail(Errc::already_exists, target.path_of(name));
  }
  return {};
}

Result<std::string> write_bundle_file(BundleTarget& target, std::string_view node_name,
                                      std::span<const std::uint8_t> bytes) {
  AKM_TRY(check_bundle_place(target, node_name));
  const int folder = target.folder();
  const std::string name = std::string(node_name) + ".akmbundle";
  std::string path = target.path_of(name);
  const std::string temporary = "." + name + ".new";
  // A leftover of an interrupted write: a name of ours, removed as a name, never followed.
  (void)::unlinkat(folder, temporary.c_str(), 0);
  AKM_ASSIGN(UniqueFd file, open_beneath(folder, temporary, O_WRONLY | O_CREAT | O_EXCL, path, 0600));
  Status done = write_all(file.get(), bytes, path);
  if (done && ::fsync(file.get()) != 0) done = fail_errno(Errc::io_failed, path);
  if (done) done = rename_new(folder, temporary, name);
  if (!done) {
    (void)::unlinkat(folder, temporary.c_str(), 0);
    return std::unexpected(done.error());
  }
  if (::fsync(folder) != 0) return fail_errno(Errc::io_failed, path);
  AKM_TRY(target.finish());
  return path;
}

}  // namespace akm::nmm
