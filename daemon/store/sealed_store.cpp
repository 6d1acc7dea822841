#include "daemon/store/sealed_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "daemon/base/atomic_file.h"
#include "daemon/base/unique_fd.h"
#include "daemon/store/sealed_record.h"

namespace akm::store {
namespace {

constexpr const char* kLockName = ".lock";
constexpr const char* kDoomedTail = ".0000000000000000.tmp";  // is_temporary_file_name() knows it

Status check_name(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  const bool valid = !name.empty() && name.size() <= kRecordNameBytes && name.front() != '.' &&
                     name.front() != '-' && std::ranges::all_of(name, good);
  if (!valid) return fail(Errc::invalid_argument, "name of a record");
  return {};
}

struct DirCloser {
  void operator()(DIR* dir) const { (void)closedir(dir); }
};

Result<std::vector<std::string>> names_in(const std::string& folder) {
  const std::unique_ptr<DIR, DirCloser> dir(opendir(folder.c_str()));
  if (dir == nullptr) return fail_errno(Errc::storage_failed, "open folder " + folder);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(dir.get());  // one thread has this stream
    if (entry == nullptr && errno != 0) return fail_errno(Errc::storage_failed, "read folder " + folder);
    if (entry == nullptr) return names;
    names.emplace_back(entry->d_name);
    if (names.size() > 2 * kRecordsMax) return fail(Errc::limit_exceeded, "files in " + folder);
  }
}

Status sync_folder(int folder_fd, const std::string& folder) {
  if (::fsync(folder_fd) != 0) return fail_errno(Errc::storage_failed, "fsync folder " + folder);
  return {};
}

/// None when it is not there; state_corrupt when it is not a regular file.
Result<std::optional<off_t>> size_of(int folder_fd, const std::string& name, const std::string& folder) {
  struct stat status{};
  if (::fstatat(folder_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::optional<off_t>();
    return fail_errno(Errc::storage_failed, "stat " + folder + "/" + name);
  }
  if (!S_ISREG(status.st_mode))
    return fail(Errc::state_corrupt, folder + "/" + name + " is not a regular file");
  return std::optional(status.st_size);
}

/// Overwrites and removes, whatever there is of it. The salt goes with the rest: without it the storage key
/// opens no copy of the ciphertext that the medium may keep.
Status wipe(int folder_fd, const std::string& name, const std::string& folder) {
  const UniqueFd fd(::openat(folder_fd, name.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return fail_errno(Errc::storage_failed, "open " + folder + "/" + name);
  AKM_ASSIGN(const std::optional<off_t> size, size_of(folder_fd, name, folder));
  const std::array<std::uint8_t, 4096> zeros{};
  for (off_t at = 0; size && at < *size;) {
    const auto length = static_cast<std::size_t>(std::min<off_t>(*size - at, sizeof zeros));
    const ssize_t written = ::pwrite(fd.get(), zeros.data(), length, at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail_errno(Errc::storage_failed, "overwrite " + folder + "/" + name);
    at += written;
  }
  if (::fdatasync(fd.get()) != 0) return fail_errno(Errc::storage_failed, "fdatasync " + folder + "/" + name);
  if (::unlinkat(folder_fd, name.c_str(), 0) != 0 && errno != ENOENT) {
    return fail_errno(Errc::storage_failed, "remove " + folder + "/" + name);
  }
  return {};
}

class FileStore final : public SealedStore {
 public:
  FileStore(std::string folder, UniqueFd folder_fd, UniqueFd lock, const SecretBytes<32>& storage_key,
            RandomSource& random)
      : folder_(std::move(folder)),
        folder_fd_(std::move(folder_fd)),
        lock_(std::move(lock)),
        storage_key_(storage_key.clone()),
        random_(random) {}

  Result<SecretBuffer> read(std::string_view name) override {
    AKM_TRY(usable());
    AKM_TRY(check_name(name));
    AKM_TRY(check_kind(name));
    auto sealed = read_file(path_of(name), kRecordMaxBytes + kSealedOverheadBytes);
    // What this store never wrote is not an input error but a changed file.
    if (!sealed && sealed.error().code == Errc::too_large) return fail(Errc::state_corrupt, path_of(name));
    if (!sealed) return std::unexpected(std::move(sealed).error());
    auto record = open_record(*storage_key_, name, *sealed);
    if (!record && record.error().code == Errc::state_corrupt)
      return fail(Errc::state_corrupt, path_of(name));
    return record;
  }

  Status write(std::string_view name, std::span<const std::uint8_t> record) override {
    AKM_TRY(usable());
    AKM_TRY(check_name(name));
    if (record.size() > kRecordMaxBytes) return fail(Errc::too_large, std::string(name));
    AKM_ASSIGN(const std::vector<std::uint8_t> sealed, seal_record(*storage_key_, name, record, random_));
    return with_space(write_file_atomically(path_of(name), sealed, 0600), sealed.size());
  }

  Status write_all(std::span<const NamedRecord> records) override {
    AKM_TRY(usable());
    std::vector<NamedFile> files;
    files.reserve(records.size());
    std::size_t bytes = 0;
    for (const auto& [name, record] : records) {
      AKM_TRY(check_name(name));
      if (record.size() > kRecordMaxBytes) return fail(Errc::too_large, name);
      AKM_ASSIGN(auto sealed, seal_record(*storage_key_, name, record, random_));
      bytes += sealed.size();
      files.push_back({name, std::move(sealed)});
    }
    return with_space(write_files_atomically(folder_, files, 0600), bytes);
  }

  Status remove(std::string_view name) override {
    AKM_TRY(check_name(name));
    const std::string file(name);
    const std::string doomed = "." + file + kDoomedTail;
    const int folder = folder_fd_.get();
    AKM_ASSIGN(const std::optional<off_t> size, size_of(folder, file, folder_));
    // Out of its name first: what is left of a removal is a temporary file, which the next try or start
    // wipes.
    if (size && ::renameat(folder, file.c_str(), folder, doomed.c_str()) != 0) {
      return fail_errno(Errc::storage_failed, "remove " + path_of(name));
    }
    AKM_ASSIGN(const std::optional<off_t> left, size_of(folder, doomed, folder_));
    if (!left) return {};
    // Before the zeros: after a power cut they would stand under the record's name. That the temporary name
    // goes is not synchronised: the revocation of keys waits for this, and the next start sees to it.
    AKM_TRY(sync_folder(folder, folder_));
    return wipe(folder, doomed, folder_);
  }

  Result<std::string> set_aside(std::string_view name) override {
    AKM_TRY(check_name(name));
    const std::string file(name);
    for (int number = 1; number <= kDamagedKept; ++number) {
      const std::string kept = std::string(kDamagedPrefix) + std::to_string(number) + "-" + file;
      if (::renameat2(folder_fd_.get(), file.c_str(), folder_fd_.get(), kept.c_str(), RENAME_NOREPLACE) !=
          0) {
        if (errno == EEXIST) continue;
        return fail_errno(Errc::storage_failed, "rename " + path_of(name));
      }
      if (::fsync(folder_fd_.get()) != 0) return fail_errno(Errc::storage_failed, "fsync folder " + folder_);
      return path_of(kept);
    }
    return fail(Errc::limit_exceeded, "damaged files kept of " + path_of(name));
  }

  Result<std::vector<std::string>> list() override {
    AKM_ASSIGN(std::vector<std::string> names, names_in(folder_));
    std::erase_if(names, [](const std::string& name) { return !check_name(name); });
    std::ranges::sort(names);
    return names;
  }

  void forget() override { storage_key_.reset(); }

 private:
  [[nodiscard]] Status usable() const {
    if (storage_key_) return {};
    return fail(Errc::wrong_state, "the state in " + folder_ + " was erased");
  }
  [[nodiscard]] std::string path_of(std::string_view name) const { return folder_ + "/" + std::string(name); }

  /// Only what this store made: a file. Opening anything else could wait for ever, or lead out of the folder.
  [[nodiscard]] Status check_kind(std::string_view name) const {
    struct stat status{};
    if (::fstatat(folder_fd_.get(), std::string(name).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return fail(Errc::not_found, path_of(name));
      return fail_errno(Errc::storage_failed, "stat " + path_of(name));
    }
    if (S_ISREG(status.st_mode)) return {};
    const std::string_view kind = S_ISDIR(status.st_mode)    ? "a folder"
                                  : S_ISLNK(status.st_mode)  ? "a symbolic link"
                                  : S_ISFIFO(status.st_mode) ? "a named pipe"
                                                             : "no regular file";
    return fail(Errc::state_corrupt, path_of(name) + " is " + std::string(kind));
  }

  /// What the disk lacks is said with the error: whoever frees space is to know how much.
  [[nodiscard]] Status with_space(Status written, std::size_t bytes) const {
    struct statvfs disk{};
    if (written || written.error().code != Errc::disk_full || ::fstatvfs(folder_fd_.get(), &disk) != 0) {
      return written;
    }
    const auto kib = [](std::uint64_t size) { return std::to_string((size + 1023) / 1024) + " KiB"; };
    Error error = std::move(written).error();
    error.detail += "; it needs " + kib(bytes + disk.f_frsize) + " in " + folder_ + ", where " +
                    kib(disk.f_bavail * disk.f_frsize) + " and " + std::to_string(disk.f_favail) +
                    " files are free";
    return std::unexpected(std::move(error));
  }

  std::string folder_;
  UniqueFd folder_fd_;
  UniqueFd lock_;
  std::optional<SecretBytes<32>> storage_key_;  // none: the state was erased
  RandomSource& random_;
};

Result<UniqueFd> open_folder(const std::string& folder) {
  AKM_TRY(make_folder(folder));
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno(Errc::storage_failed, "open folder " + folder);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return fail_errno(Errc::storage_failed, "stat " + folder);
  if ((status.st_mode & 077) != 0 && ::fchmod(fd.get(), 0700) != 0) {
    return fail_errno(Errc::storage_failed, "chmod " + folder);
  }
  return fd;
}

// flock: gone with the process, however it ends, so that no stale lock can remain. Open for reading: a file
// open for writing would keep the operator from making the file system read-only.
Result<UniqueFd> lock_folder(int folder_fd, const std::string& folder) {
  UniqueFd lock(
      ::openat(folder_fd, kLockName, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!lock) return fail_errno(Errc::storage_failed, "open " + folder + "/" + kLockName);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(Errc::busy, folder + " is used by another process");
    return fail_errno(Errc::storage_failed, "lock " + folder);
  }
  return lock;
}

}  // namespace

Result<std::unique_ptr<SealedStore>> SealedStore::open(const std::string& folder,
                                                       const SecretBytes<32>& storage_key,
                                                       RandomSource& random) {
  AKM_ASSIGN(UniqueFd folder_fd, open_folder(folder));
  AKM_ASSIGN(UniqueFd lock, lock_folder(folder_fd.get(), folder));
  // A daemon that was killed may not have come to this. What it wrote is there to be seen, and this one goes
  // on from it: a power cut must not take it back.
  AKM_TRY(sync_folder(folder_fd.get(), folder));
  // Under the lock: nobody writes now, so that a temporary file is what a crash left.
  AKM_ASSIGN(const std::vector<std::string> names, names_in(folder));
  for (const std::string& name : names) {
    if (is_temporary_file_name(name)) AKM_TRY(wipe(folder_fd.get(), name, folder));
  }
  return std::make_unique<FileStore>(folder, std::move(folder_fd), std::move(lock), storage_key, random);
}

}  // namespace akm::store
