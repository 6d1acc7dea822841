#include "daemon/service/bundle_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "daemon/base/log.h"
#include "daemon/base/open_beneath.h"
#include "daemon/protocol/bundle.h"

namespace akm::service {
namespace {

constexpr std::size_t kStemBytes = 64;

/// True when no component is empty, "." or "..".
bool has_plain_components(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::string_view part = path.substr(0, path.find('/'));
    if (part.empty() || part == "." || part == "..") return false;
    path.remove_prefix(part.size());
  }
  return true;
}

Errc code_of_open(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return Errc::not_found;
    case ELOOP:
      return Errc::invalid_argument;
    default:
      return Errc::io_failed;
  }
}

Status write_all(int fd, std::span<const std::uint8_t> bytes, off_t at) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail_errno(Errc::io_failed, "write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    at += written;
  }
  return {};
}

Result<std::vector<std::uint8_t>> read_all(int fd, std::size_t size) {
  std::vector<std::uint8_t> out(size);
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = ::pread(fd, out.data() + have, size - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(Errc::io_failed, "read");
    if (got == 0) return fail(Errc::truncated, "the bundle file shrank");
    have += static_cast<std::size_t>(got);
  }
  return out;
}

struct PlainFile {
  UniqueFd fd;
  std::size_t bytes = 0;
};

/// A regular file of 1 to `most` bytes, by its name in the folder. O_PATH touches the object without opening
/// it: opening a device or a FIFO can already act, and hang.
Result<PlainFile> open_plain(int folder, const std::string& name, int flags, std::size_t most) {
  AKM_ASSIGN(const UniqueFd seen, open_beneath(folder, name, O_PATH, name));
  struct stat info{};
  if (::fstat(seen.get(), &info) != 0) return fail_errno(Errc::io_failed, name);
  if (!S_ISREG(info.st_mode)) return fail(Errc::invalid_argument, name + " is not a regular file");
  if (info.st_size <= 0) return fail(Errc::truncated, name);
  if (static_cast<std::size_t>(info.st_size) > most) return fail(Errc::too_large, name);
  const std::string same = "/proc/self/fd/" + std::to_string(seen.get());
  PlainFile out{UniqueFd(::open(same.c_str(), flags | O_CLOEXEC)), static_cast<std::size_t>(info.st_size)};
  if (!out.fd) return fail_errno(code_of_open(errno), name);
  return out;
}

std::string receipt_name(std::string_view bundle) {
  return std::string(bundle.substr(0, bundle.size() - kBundleSuffix.size())).append(kReceiptSuffix);
}

Status write_receipt(int folder, const std::string& name, std::string_view text) {
  // A receipt that is there already belongs to an earlier bundle of this name: it is replaced, but never
  // through a link.
  (void)::unlinkat(folder, name.c_str(), 0);
  const UniqueFd fd(
      ::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd) return fail_errno(Errc::io_failed, name);
  AKM_TRY(write_all(fd.get(), {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, 0));
  if (::fsync(fd.get()) != 0) return fail_errno(Errc::io_failed, name);
  return {};
}

}  // namespace

bool is_bundle_name(std::string_view name) {
  if (!name.ends_with(kBundleSuffix)) return false;
  const std::string_view stem = name.substr(0, name.size() - kBundleSuffix.size());
  return !stem.empty() && stem.size() <= kStemBytes && stem.front() != '.' &&
         std::ranges::all_of(stem, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                  c == '-' || c == '_';
         });
}

Result<std::vector<std::string>> list_bundles(int folder) {
  // A descriptor of its own: its position is not shared with the caller's.
  const int own = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return fail_errno(Errc::io_failed, "folder of the bundle");
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(own), ::closedir);
  if (!entries) {
    (void)::close(own);
    return fail_errno(Errc::io_failed, "folder of the bundle");
  }
  std::vector<std::string> out;
  std::size_t seen = 0;
  errno = 0;
  while (const dirent* entry = ::readdir(entries.get())) {  // NOLINT(concurrency-mt-unsafe): its own stream
    if (++seen > kEntriesOnDrive) return fail(Errc::limit_exceeded, "the drive's folder has too many files");
    if (!is_bundle_name(static_cast<const char*>(entry->d_name))) continue;
    if (out.size() == kBundlesOnDrive) return fail(Errc::limit_exceeded, "the drive has too many bundles");
    out.emplace_back(static_cast<const char*>(entry->d_name));
  }
  if (errno != 0) return fail_errno(Errc::io_failed, "folder of the bundle");
  std::ranges::sort(out);
  return out;
}

Result<BundleFile> BundleFile::open(const std::string& path) {
  if (!path.starts_with('/') || !has_plain_components(path) || !path.ends_with(kBundleSuffix)) {
    return fail(Errc::invalid_argument,
                "a bundle has an absolute path without . and .. that ends in .akmbundle");
  }
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == 0 ? "/" : path.substr(0, slash);
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno(code_of_open(errno), folder);
  return open_in(std::move(fd), path.substr(slash + 1), Purpose::consume);
}

Result<BundleFile> BundleFile::open_in(UniqueFd folder, const std::string& name, Purpose purpose) {
  BundleFile out;
  out.name_ = name;
  out.folder_ = std::move(folder);
  const int flags = purpose == Purpose::consume ? O_RDWR : O_RDONLY;
  AKM_ASSIGN(PlainFile file, open_plain(out.folder_.get(), name, flags, protocol::kBundleBytes));
  AKM_ASSIGN(out.bytes_, read_all(file.fd.get(), file.bytes));
  out.file_ = std::move(file.fd);
  return out;
}

bool has_receipt(const std::string& path, std::string_view receipt) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || !is_bundle_name(std::string_view(path).substr(slash + 1))) return false;
  const UniqueFd folder(::open(path.substr(0, slash + 1).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return false;
  const auto file = open_plain(folder.get(), receipt_name(path.substr(slash + 1)), O_RDONLY, receipt.size());
  if (!file || file->bytes != receipt.size()) return false;
  const auto bytes = read_all(file->fd.get(), file->bytes);
  return bytes &&
         std::ranges::equal(*bytes, receipt, {}, [](std::uint8_t byte) { return static_cast<char>(byte); });
}

Status BundleFile::consume(std::string_view receipt) {
  // A drive that is full takes no receipt: the bundle goes all the same, and that it did is what counts.
  if (const Status written = write_receipt(folder_.get(), receipt_name(name_), receipt); !written)
    log::warning("The receipt of a bundle could not be written", {{"AKM_ERROR", written.error().message()}});
  Status first;
  const auto note = [&first](const Status& status) {
    if (first && !status) first = status;
  };
  const std::vector<std::uint8_t> zeros(bytes_.size());
  note(write_all(file_.get(), zeros, 0));
  if (::fsync(file_.get()) != 0) note(fail_errno(Errc::io_failed, name_));
  // Only the object that was read is removed; the name may have been given to another meanwhile.
  struct stat mine{};
  struct stat named{};
  const bool same = ::fstat(file_.get(), &mine) == 0 &&
                    ::fstatat(folder_.get(), name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
                    mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
  if (!same) {
    note(fail(Errc::not_found, name_ + " was moved away while it was read"));
  } else if (::unlinkat(folder_.get(), name_.c_str(), 0) != 0) {
    note(fail_errno(Errc::io_failed, name_));
  }
  if (::fsync(folder_.get()) != 0) note(fail_errno(Errc::io_failed, "folder of the bundle"));
  return first;
}

}  // namespace akm::service
