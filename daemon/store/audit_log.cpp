#include "daemon/store/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "daemon/base/atomic_file.h"

namespace akm::store {

std::string AuditLog::path_of(std::uint64_t number) const {
  return folder_ + "/" + audit_file_name(number);
}

Result<AuditLog::Opened> AuditLog::open(const std::string& folder, const AuditKey& key,
                                        const AuditLimits& limits, const std::optional<AuditAnchor>& anchor,
                                        const AuditVisitor& visit) {
  AKM_TRY(make_folder(folder));
  Opened out;
  AKM_ASSIGN(out.found, check_audit(folder, {.key = &key, .anchor = anchor, .visit = visit}));
  out.log = std::unique_ptr<AuditLog>(new AuditLog(folder, key, limits));
  out.log->folder_fd_ = UniqueFd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!out.log->folder_fd_) return fail_errno(Errc::storage_failed, "open folder " + folder);
  AKM_ASSIGN(const std::vector<std::uint64_t> files, audit_files(folder));
  AuditLog& log = *out.log;
  // One that is missing stays missing, until it would have been removed anyway.
  log.first_file_ = anchor ? anchor->first_file : (files.empty() ? 1 : files.front());
  // What should have gone with the last anchor.
  for (const std::uint64_t file : files) {
    if (file < log.first_file_) (void)::unlinkat(log.folder_fd_.get(), audit_file_name(file).c_str(), 0);
  }
  log.file_ = std::max(out.found.file, anchor ? anchor->file : 0);
  log.head_ = out.found.head;
  log.sealed_ = anchor ? std::min(anchor->head.number, log.head_.number) : 0;
  out.damaged = !out.found.verdict.findings.empty();
  if (out.found.short_of_anchor) {
    // Numbers are not used twice: the gap is seen by everybody who reads on.
    log.head_ = anchor->head;
    AKM_TRY(log.begin_file(log.file_ + 1));
    return out;
  }
  AKM_TRY(log.go_on(out.found, out));
  return out;
}

/// The newest file is written on; what a power cut left of a record is taken off it first.
Status AuditLog::go_on(const AuditCheck& found, Opened& out) {
  if (found.file == 0) return begin_file(file_ + 1);
  if (found.good_bytes == 0) {
    // A power cut came before its header: it never held a record. Anything else is left as it is.
    if (!found.verdict.findings.empty()) return begin_file(file_ + 1);
    if (::unlinkat(folder_fd_.get(), audit_file_name(found.file).c_str(), 0) != 0)
      return fail_errno(Errc::storage_failed, "remove " + path_of(found.file));
    return begin_file(found.file);
  }
  const bool torn = found.bytes > found.good_bytes;
  if (torn && std::ranges::any_of(found.verdict.findings, [&](const std::string& one) {
        return one.starts_with(audit_file_name(found.file));
      })) {
    return begin_file(file_ + 1);  // damaged, not torn: it is left as it is
  }
  AKM_TRY(take_up(found.file));
  size_ = found.good_bytes;
  if (!torn) return {};
  AKM_ASSIGN(const UniqueFd writing, open_to_write());
  if (::ftruncate(writing.get(), static_cast<off_t>(size_)) != 0)
    return fail_errno(Errc::storage_failed, "truncate " + path_of(file_));
  out.torn_bytes = found.bytes - found.good_bytes;
  unsynced_ = true;
  return {};
}

/// Kept open for reading only: that is enough to synchronise it, and a file that is open for writing would
/// keep the operator from making the file system read-only.
Status AuditLog::take_up(std::uint64_t number) {
  UniqueFd fd(::openat(folder_fd_.get(), audit_file_name(number).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return fail_errno(Errc::storage_failed, "open " + path_of(number));
  fd_ = std::move(fd);
  file_ = number;
  return {};
}

/// A file that a failure left half made holds no record, and no more than a header. Whatever else has its
/// name stays where it is.
void AuditLog::clear_way(std::uint64_t number) const {
  const std::string name = audit_file_name(number);
  struct stat there{};
  if (::fstatat(folder_fd_.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (S_ISREG(there.st_mode) && static_cast<std::size_t>(there.st_size) <= kAuditHeaderBytes)
    (void)::unlinkat(folder_fd_.get(), name.c_str(), 0);
}

/// Only the file that was taken up: not what somebody has put in its place.
Result<UniqueFd> AuditLog::open_to_write() const {
  UniqueFd out(::openat(folder_fd_.get(), audit_file_name(file_).c_str(),
                        O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!out) return fail_errno(Errc::storage_failed, "open " + path_of(file_));
  struct stat mine{};
  struct stat there{};
  if (::fstat(fd_.get(), &mine) != 0 || ::fstat(out.get(), &there) != 0)
    return fail_errno(Errc::storage_failed, "stat " + path_of(file_));
  if (mine.st_ino != there.st_ino || mine.st_dev != there.st_dev)
    return fail(Errc::state_corrupt, path_of(file_) + " was replaced");
  return out;
}

Status AuditLog::begin_file(std::uint64_t number) {
  const std::string name = audit_file_name(number);
  // Whole on the disk before there is a next one: after a power cut only the newest file may lack something.
  if (unsynced_ && fd_ && ::fdatasync(fd_.get()) != 0)
    return fail_errno(Errc::storage_failed, "fsync " + path_of(file_));
  clear_way(number);
  {
    const UniqueFd fd(
        ::openat(folder_fd_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return fail_errno(Errc::storage_failed, "create " + path_of(number));
    const auto header = AuditFileHeader{number, head_}.encode();
    const ssize_t written = ::write(fd.get(), header.data(), header.size());
    if (written != static_cast<ssize_t>(header.size())) {
      const Error why = written < 0 ? fail_errno(Errc::storage_failed, "write " + path_of(number)).error()
                                    : Error{Errc::disk_full, path_of(number)};
      clear_way(number);
      return std::unexpected(why);
    }
  }
  if (Status taken = take_up(number); !taken) {
    clear_way(number);
    return taken;
  }
  size_ = kAuditHeaderBytes;
  unsynced_ = true;
  rotated_ = true;
  return {};
}

Status AuditLog::write(std::span<const std::uint8_t> bytes) {
  if (!fd_) AKM_TRY(begin_file(file_ + 1));
  AKM_ASSIGN(const UniqueFd writing, open_to_write());
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written =
        ::pwrite(writing.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(size_ + done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const Error why = written < 0 ? fail_errno(Errc::storage_failed, "write " + path_of(file_)).error()
                                    : Error{Errc::disk_full, path_of(file_)};
      // A piece of a record must not stand before the next one. Where it stays, that one gets a file of its
      // own.
      if (done > 0 && ::ftruncate(writing.get(), static_cast<off_t>(size_)) != 0) fd_.reset();
      return std::unexpected(why);
    }
    done += static_cast<std::size_t>(written);
  }
  size_ += bytes.size();
  unsynced_ = true;
  return {};
}

Status AuditLog::append(AuditRecord record) {
  record.number = head_.number + 1;
  AuditHead next = head_;
  const auto frame = audit_frame(next, encode_audit_body(record));
  if (fd_ && size_ > kAuditHeaderBytes && size_ + frame.size() > limits_.file_bytes)
    AKM_TRY(begin_file(file_ + 1));
  AKM_TRY(write(frame));
  head_ = next;
  return {};
}

Status AuditLog::seal(AuditRecord record) {
  record.name = kSealName;
  record.number = head_.number + 1;
  AKM_ASSIGN(const AuditDigest seal,
             key_.seal({record.number, record.boottime_ns, record.start, head_.digest, {}}));
  record.seal = seal;
  return append(std::move(record));
}

Status AuditLog::sync() {
  if (!unsynced_) return {};
  if (fd_ && ::fdatasync(fd_.get()) != 0) return fail_errno(Errc::storage_failed, "fsync " + path_of(file_));
  if (rotated_ && ::fsync(folder_fd_.get()) != 0)
    return fail_errno(Errc::storage_failed, "fsync folder " + folder_);
  unsynced_ = false;
  return {};
}

AuditAnchor AuditLog::anchor() const {
  AuditAnchor out{.first_file = first_file_, .file = file_, .head = head_};
  if (file_ + 1 > first_file_ + limits_.files) out.first_file = file_ + 1 - limits_.files;
  return out;
}

Status AuditLog::sealed() {
  sealed_ = head_.number;
  rotated_ = false;
  const std::uint64_t keep = anchor().first_file;
  for (; first_file_ < keep; ++first_file_) {
    if (::unlinkat(folder_fd_.get(), audit_file_name(first_file_).c_str(), 0) != 0 && errno != ENOENT)
      return fail_errno(Errc::storage_failed, "remove " + path_of(first_file_));
  }
  return {};
}

Status AuditLog::untouched() const {
  if (!fd_) return {};
  struct stat here{};
  struct stat there{};
  if (::fstat(fd_.get(), &here) != 0) return fail_errno(Errc::storage_failed, "stat " + path_of(file_));
  const bool named =
      ::fstatat(folder_fd_.get(), audit_file_name(file_).c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0;
  if (!named || here.st_ino != there.st_ino || here.st_dev != there.st_dev)
    return fail(Errc::state_corrupt, path_of(file_) + " was removed or replaced");
  if (static_cast<std::size_t>(here.st_size) != size_)
    return fail(Errc::state_corrupt, path_of(file_) + " has another length than was written");
  return {};
}

void AuditLog::leave_file() {
  fd_.reset();
}

}  // namespace akm::store
