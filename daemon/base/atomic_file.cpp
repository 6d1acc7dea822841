#include "daemon/base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "daemon/base/hex.h"
#include "daemon/base/random.h"
#include "daemon/base/unique_fd.h"

namespace akm {
namespace {

constexpr std::string_view kTemporarySuffix = ".tmp";
// 16 hexadecimal digits between two dots, before the suffix.
constexpr std::size_t kTemporaryTagLength = 16;
// A name is drawn from 64 random bits: a second collision means that something else is wrong.
constexpr int kTemporaryNameTries = 4;

struct PathParts {
  std::string folder;
  std::string name;
};

Result<PathParts> split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  PathParts parts;
  parts.folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  parts.name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (parts.name.empty() || parts.name == "." || parts.name == ".." || path.find('\0') != std::string::npos) {
    return fail(Errc::invalid_argument, "not the path of a file");
  }
  return parts;
}

Status write_all(int fd, std::span<const std::uint8_t> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return fail_errno(Errc::storage_failed, "write " + path);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

// A temporary file in an open folder; removes itself unless it was put into place.
class TemporaryFile {
 public:
  TemporaryFile(int folder, std::string name, int fd) : folder_(folder), name_(std::move(name)), fd_(fd) {}
  TemporaryFile(TemporaryFile&& other) noexcept
      : folder_(std::exchange(other.folder_, -1)), name_(std::move(other.name_)), fd_(std::move(other.fd_)) {}
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (folder_ >= 0) (void)::unlinkat(folder_, name_.c_str(), 0);
  }

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const char* name() const { return name_.c_str(); }
  // The name is the file's own now.
  void keep() { folder_ = -1; }

 private:
  int folder_;
  std::string name_;
  UniqueFd fd_;
};

Result<TemporaryFile> make_temporary(int folder, const PathParts& parts) {
  SystemRandom random;
  for (int attempt = 0; attempt < kTemporaryNameTries; ++attempt) {
    AKM_ASSIGN(const std::uint64_t tag, random_u64(random));
    std::string name = "." + parts.name + "." + hex_id(tag) + std::string(kTemporarySuffix);
    const int fd = ::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) return TemporaryFile(folder, std::move(name), fd);
    if (errno != EEXIST) return fail_errno(Errc::storage_failed, "create a file in " + parts.folder);
  }
  return fail(Errc::storage_failed, "no free temporary name in " + parts.folder);
}

Status sync_folder(int folder, const std::string& path) {
  // Without this the new name itself can be lost in a crash.
  if (::fsync(folder) != 0) return fail_errno(Errc::storage_failed, "fsync folder " + path);
  return {};
}

Result<UniqueFd> open_folder(const std::string& path) {
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return fail_errno(Errc::storage_failed, "open folder " + path);
  return folder;
}

Result<TemporaryFile> filled(int folder, const PathParts& parts, std::span<const std::uint8_t> bytes,
                             std::uint32_t mode) {
  AKM_ASSIGN(TemporaryFile temporary, make_temporary(folder, parts));
  AKM_TRY(write_all(temporary.fd(), bytes, parts.name));
  // Made 0600 and widened only now, so that nobody can open it half-written.
  if (::fchmod(temporary.fd(), mode & 07777) != 0)
    return fail_errno(Errc::storage_failed, "chmod " + parts.name);
  return temporary;
}

Status synced(const TemporaryFile& temporary, const std::string& path) {
  if (::fsync(temporary.fd()) != 0) return fail_errno(Errc::storage_failed, "fsync " + path);
  return {};
}

Status named(int folder, TemporaryFile& temporary, const std::string& name, unsigned flags) {
  if (::renameat2(folder, temporary.name(), folder, name.c_str(), flags) != 0) {
    if (errno == EEXIST && flags == RENAME_NOREPLACE) return fail(Errc::already_exists, name);
    return fail_errno(Errc::storage_failed, "rename to " + name);
  }
  temporary.keep();
  return {};
}

Status store(const std::string& path, std::span<const std::uint8_t> bytes, std::uint32_t mode,
             unsigned flags) {
  AKM_ASSIGN(const PathParts parts, split(path));
  AKM_ASSIGN(const UniqueFd folder, open_folder(parts.folder));
  AKM_ASSIGN(TemporaryFile temporary, filled(folder.get(), parts, bytes, mode));
  AKM_TRY(synced(temporary, path));
  AKM_TRY(named(folder.get(), temporary, parts.name, flags));
  return sync_folder(folder.get(), parts.folder);
}

// Opens for reading and returns the size, at most max_bytes.
Result<UniqueFd> open_regular(const std::string& path, std::size_t max_bytes, std::size_t& size) {
  // O_NONBLOCK: a FIFO in place of the file must not hang the daemon.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    if (errno == ENOENT) return fail(Errc::not_found, path);
    return fail_errno(Errc::storage_failed, "open " + path);
  }
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return fail_errno(Errc::storage_failed, "stat " + path);
  if (!S_ISREG(status.st_mode)) return fail(Errc::storage_failed, path + " is not a regular file");
  size = static_cast<std::size_t>(status.st_size);
  if (size > max_bytes) return fail(Errc::too_large, path);
  return fd;
}

// Reads up to out.size() bytes; fewer when the file ends before.
Result<std::size_t> read_up_to(int fd, std::span<std::uint8_t> out, const std::string& path) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::read(fd, out.data() + done, out.size() - done);
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail_errno(Errc::storage_failed, "read " + path);
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

}  // namespace

Status make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno(Errc::storage_failed, "make folder " + path);
  AKM_ASSIGN(const UniqueFd folder, open_folder(path));
  // A folder above that cannot be read is somebody else's, and this one was made by them.
  const UniqueFd above(::openat(folder.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!above && errno == EACCES) return {};
  if (!above) return fail_errno(Errc::storage_failed, "open the folder above " + path);
  return sync_folder(above.get(), "above " + path);
}

Status write_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes,
                             std::uint32_t mode) {
  return store(path, bytes, mode, 0);
}

Status create_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes,
                              std::uint32_t mode) {
  return store(path, bytes, mode, RENAME_NOREPLACE);
}

Status write_files_atomically(const std::string& folder, const std::vector<NamedFile>& files,
                              std::uint32_t mode) {
  AKM_ASSIGN(const UniqueFd opened, open_folder(folder));
  std::vector<TemporaryFile> written;
  written.reserve(files.size());
  for (const NamedFile& file : files) {
    AKM_ASSIGN(const PathParts parts, split(folder + "/" + file.name));
    if (parts.name != file.name) return fail(Errc::invalid_argument, "not the name of a file");
    AKM_ASSIGN(TemporaryFile temporary, filled(opened.get(), parts, file.bytes, mode));
    // Begins the writing of all: the first fsync then carries the others with it.
    (void)::sync_file_range(temporary.fd(), 0, 0, SYNC_FILE_RANGE_WRITE);
    written.push_back(std::move(temporary));
  }
  for (std::size_t i = 0; i < files.size(); ++i) AKM_TRY(synced(written[i], files[i].name));
  for (std::size_t i = 0; i < files.size(); ++i) AKM_TRY(named(opened.get(), written[i], files[i].name, 0));
  return sync_folder(opened.get(), folder);
}

Result<std::vector<std::uint8_t>> read_file(const std::string& path, std::size_t max_bytes) {
  std::size_t size = 0;
  AKM_ASSIGN(const UniqueFd fd, open_regular(path, max_bytes, size));
  std::vector<std::uint8_t> bytes(size);
  AKM_ASSIGN(const std::size_t got, read_up_to(fd.get(), bytes, path));
  bytes.resize(got);
  return bytes;
}

Result<SecretBuffer> read_secret_file(const std::string& path, std::size_t max_bytes) {
  std::size_t size = 0;
  AKM_ASSIGN(const UniqueFd fd, open_regular(path, std::min(max_bytes, kSecretMaxBytes), size));
  SecretBuffer bytes(size);
  AKM_ASSIGN(const std::size_t got, read_up_to(fd.get(), bytes.reveal_mutable(), path));
  bytes.shrink(got);
  return bytes;
}

bool is_temporary_file_name(std::string_view name) {
  // ".", a name, ".", the tag, ".tmp"
  const std::size_t tail = 1 + kTemporaryTagLength + kTemporarySuffix.size();
  if (name.size() < 2 + tail || name.front() != '.' || !name.ends_with(kTemporarySuffix)) return false;
  name.remove_suffix(kTemporarySuffix.size());
  const std::string_view tag = name.substr(name.size() - kTemporaryTagLength);
  if (name[name.size() - kTemporaryTagLength - 1] != '.') return false;
  return tag.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace akm
