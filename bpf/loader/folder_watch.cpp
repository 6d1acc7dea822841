#include "bpf/loader/folder_watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <memory>
#include <span>

#include "daemon/base/instant.h"

namespace akm::bpf {
namespace {

constexpr std::size_t kFolders = 256;
constexpr std::size_t kFiles = 4096;
constexpr unsigned kDepth = 4;
constexpr std::size_t kBufferBytes = 8192;
constexpr std::size_t kHandleBytes = 128;
constexpr std::size_t kFsidBytes = 8;

constexpr std::uint64_t kFileEvents = FAN_MODIFY | FAN_CLOSE_WRITE | FAN_ATTRIB;
constexpr std::uint64_t kFolderEvents = kFileEvents | FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM |
                                        FAN_MOVED_TO | FAN_DELETE_SELF | FAN_MOVE_SELF | FAN_ONDIR |
                                        FAN_EVENT_ON_CHILD;

struct CloseDir {
  void operator()(DIR* dir) const { (void)::closedir(dir); }
};

struct EventName {
  std::uint64_t mask;
  const char* text;
};
// The gravest first: one event can carry several.
constexpr EventName kEventNames[] = {
    {FAN_DELETE, "delete"},           {FAN_DELETE_SELF, "delete"},    {FAN_MOVED_FROM, "rename-from"},
    {FAN_MOVED_TO, "rename-to"},      {FAN_MOVE_SELF, "rename-from"}, {FAN_MODIFY, "modify"},
    {FAN_CLOSE_WRITE, "close-write"}, {FAN_CREATE, "create"},         {FAN_ATTRIB, "attributes"},
};

std::string event_name(std::uint64_t mask) {
  for (const EventName& name : kEventNames) {
    if ((mask & name.mask) != 0) return name.text;
  }
  return "other";
}

template <typename T>
T load(std::span<const std::uint8_t> bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

/// File system id, handle type and handle bytes: what an event names a folder by.
Result<std::string> handle_of(const std::string& path) {
  struct statfs fs{};
  if (::statfs(path.c_str(), &fs) != 0) return fail_errno(Errc::probe_failed, path);
  alignas(file_handle) std::array<char, sizeof(file_handle) + kHandleBytes> room{};
  auto* handle = new (room.data()) file_handle{};
  handle->handle_bytes = kHandleBytes;
  int mount_id = 0;
  if (::name_to_handle_at(AT_FDCWD, path.c_str(), handle, &mount_id, 0) != 0) {
    return fail_errno(Errc::probe_failed, path + ": no file handles");
  }
  std::string key(kFsidBytes, '\0');
  static_assert(sizeof(fs.f_fsid) == kFsidBytes);
  std::memcpy(key.data(), &fs.f_fsid, kFsidBytes);
  const int type = handle->handle_type;
  key.append(reinterpret_cast<const char*>(&type), sizeof(type));
  key.append(room.data() + offsetof(file_handle, f_handle), handle->handle_bytes);
  return key;
}

struct Named {
  std::string folder_key;
  std::string name;
};

/// The folder and name of an event's information record; false when it is another kind or does not fit its
/// length.
bool read_name(std::span<const std::uint8_t> info, Named& out) {
  constexpr std::size_t kHeader = sizeof(fanotify_event_info_header);
  constexpr std::size_t kHandleHeader = 2 * sizeof(std::uint32_t);
  const auto type = info[0];
  if (type != FAN_EVENT_INFO_TYPE_DFID_NAME && type != FAN_EVENT_INFO_TYPE_DFID) return false;
  if (info.size() < kHeader + kFsidBytes + kHandleHeader) return false;
  const auto handle_bytes = load<std::uint32_t>(info, kHeader + kFsidBytes);
  const std::size_t begin = kHeader + kFsidBytes + kHandleHeader;
  if (handle_bytes > kHandleBytes || handle_bytes > info.size() - begin) return false;
  const char* text = reinterpret_cast<const char*>(info.data());
  out.folder_key.assign(text + kHeader, kFsidBytes);
  out.folder_key.append(text + kHeader + kFsidBytes + sizeof(std::uint32_t),
                        sizeof(std::uint32_t) + handle_bytes);
  const std::size_t rest = info.size() - begin - handle_bytes;
  out.name.assign(text + begin + handle_bytes, ::strnlen(text + begin + handle_bytes, rest));
  return true;
}

/// As far as the process still is there; it may be gone, then only its number is known.
void describe_process(ProbeRecord& record) {
  const std::string folder = "/proc/" + std::to_string(record.tgid);
  struct stat status{};
  if (::stat(folder.c_str(), &status) == 0) record.uid = status.st_uid;
  const UniqueFd file(::open((folder + "/comm").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return;
  std::array<char, 32> text{};
  const ssize_t length = ::read(file.get(), text.data(), text.size());
  if (length > 1) record.comm = printable({text.data(), static_cast<std::size_t>(length) - 1}, text.size());
}

}  // namespace

Result<FolderWatch> FolderWatch::open(const std::vector<WatchedFolder>& folders) {
  // A plain notification group: no answer is waited for, so it can never hold up anybody.
  UniqueFd fd(
      ::fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME | FAN_REPORT_FID,
                      O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(Errc::probe_failed, "fanotify");
  FolderWatch watch(std::move(fd));
  for (const WatchedFolder& folder : folders) AKM_TRY(watch.mark_tree(folder.path, folder.watch, 0));
  return watch;
}

Status FolderWatch::mark_folder(const std::string& path, Watch watch) {
  AKM_ASSIGN(std::string key, handle_of(path));
  if (!folders_.contains(key) && folders_.size() >= kFolders)
    return fail(Errc::limit_exceeded, "more than 256 folders");
  if (::fanotify_mark(fd_.get(), FAN_MARK_ADD | FAN_MARK_ONLYDIR, kFolderEvents, AT_FDCWD, path.c_str()) !=
      0) {
    return fail_errno(Errc::probe_failed, "fanotify on " + path);
  }
  folders_[std::move(key)] = Folder{path, watch};
  return {};
}

// A mark on the file itself sees changes made through a hard link elsewhere. It goes away with the file.
void FolderWatch::mark_file(const std::string& path) {
  if (files_ >= kFiles) return;
  if (::fanotify_mark(fd_.get(), FAN_MARK_ADD | FAN_MARK_DONT_FOLLOW, kFileEvents, AT_FDCWD, path.c_str()) ==
      0) {
    ++files_;
  }
}

Status FolderWatch::mark_tree(const std::string& path, Watch watch, unsigned depth) {
  AKM_TRY(mark_folder(path, watch));
  const std::unique_ptr<DIR, CloseDir> dir(::opendir(path.c_str()));
  if (!dir) return fail_errno(Errc::probe_failed, path);
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string child = path + "/" + name;
    struct stat status{};
    if (::lstat(child.c_str(), &status) != 0) continue;  // gone meanwhile: the folder's mark saw it
    if (S_ISDIR(status.st_mode) && depth + 1 < kDepth) AKM_TRY(mark_tree(child, watch, depth + 1));
    if (S_ISREG(status.st_mode) && watch == Watch::state) mark_file(child);
  }
  return {};
}

FolderWatch::Drained FolderWatch::drain(std::size_t budget,
                                        const std::function<void(const ProbeRecord&)>& handler) {
  Drained out;
  while (out.records < budget) {
    if (taken_ == buffer_.size()) {
      buffer_.resize(kBufferBytes);
      taken_ = 0;
      const ssize_t length = ::read(fd_.get(), buffer_.data(), buffer_.size());
      buffer_.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
      if (buffer_.empty()) return out;
    }
    const std::span<const std::uint8_t> rest = std::span(buffer_).subspan(taken_);
    if (rest.size() < FAN_EVENT_METADATA_LEN) {
      taken_ = buffer_.size();
      continue;
    }
    const auto event_len = load<std::uint32_t>(rest, offsetof(fanotify_event_metadata, event_len));
    if (event_len < FAN_EVENT_METADATA_LEN || event_len > rest.size()) {
      taken_ = buffer_.size();
      continue;
    }
    taken_ += event_len;
    if (take_event(rest.first(event_len), handler)) ++out.records;
  }
  out.more = true;
  return out;
}

bool FolderWatch::take_event(std::span<const std::uint8_t> event,
                             const std::function<void(const ProbeRecord&)>& handler) {
  const auto metadata = load<fanotify_event_metadata>(event, 0);
  if (metadata.vers != FANOTIFY_METADATA_VERSION) return false;
  if ((metadata.mask & FAN_Q_OVERFLOW) != 0) {
    ++overflows_;
    return false;
  }
  Named named;
  const std::span<const std::uint8_t> info =
      event.subspan(std::min<std::size_t>(metadata.metadata_len, event.size()));
  const bool has_name = info.size() >= sizeof(fanotify_event_info_header) && read_name(info, named);
  const auto found = has_name ? folders_.find(named.folder_key) : folders_.end();
  const bool known = found != folders_.end();
  const bool is_self = named.name.empty() || named.name == ".";

  // New files and folders are watched whoever made them; ours are the ordinary case.
  if (known && !is_self && (metadata.mask & (FAN_CREATE | FAN_MOVED_TO)) != 0) {
    const std::string path = found->second.path + "/" + named.name;
    const Watch watch = found->second.watch;
    if ((metadata.mask & FAN_ONDIR) != 0) {
      (void)mark_tree(path, watch, 1);  // over the limits it stays unwatched below
    } else if (watch == Watch::state) {
      mark_file(path);
    }
  }
  if (metadata.pid == ::getpid()) return false;

  ProbeRecord record;
  // Only files of state folders carry their own mark, so a change through an unknown folder is one of those.
  record.watch = known ? found->second.watch : Watch::state;
  record.outcome = Outcome::succeeded;
  record.operation = event_name(metadata.mask);
  record.source = "fanotify";
  record.boottime_ns = boottime_now().ns;
  record.pid = record.tgid = static_cast<std::uint32_t>(metadata.pid);
  const std::string path =
      known ? found->second.path + (is_self ? "" : "/" + named.name) : "by another link: " + named.name;
  record.path = printable(path, 512);
  describe_process(record);
  handler(record);
  return true;
}

std::uint64_t FolderWatch::take_overflows() {
  return std::exchange(overflows_, 0);
}

}  // namespace akm::bpf
