#pragma once
// User-space tier of D10: fanotify on the folders and their files. It sees what happened to the object,
// whatever name, descriptor or io_uring request led to it, and which process did it. It runs after the fact.
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "bpf/loader/probe_record.h"
#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::bpf {

struct WatchedFolder {
  std::string path;  // absolute
  Watch watch = Watch::state;
  std::uint64_t device = 0;  // st_dev and st_ino when the watch began
  std::uint64_t inode = 0;
};

class FolderWatch {
 public:
  /// Marks each folder, the folders below it (256 together) and the files of state folders (4096).
  /// probe_failed with the reason (no CAP_SYS_ADMIN, a file system without handles).
  static Result<FolderWatch> open(const std::vector<WatchedFolder>& folders);

  [[nodiscard]] int fd() const { return fd_.get(); }
  struct Drained {
    std::size_t records = 0;
    bool more = false;
  };
  /// Hands over at most `budget` records; what our own process did is left out.
  Drained drain(std::size_t budget, const std::function<void(const ProbeRecord&)>& handler);
  /// Events that the kernel dropped since the last call.
  std::uint64_t take_overflows();

 private:
  struct Folder {
    std::string path;
    Watch watch = Watch::state;
  };
  explicit FolderWatch(UniqueFd fd) : fd_(std::move(fd)) {}
  Status mark_tree(const std::string& path, Watch watch, unsigned depth);
  Status mark_folder(const std::string& path, Watch watch);
  void mark_file(const std::string& path);
  /// One event of the buffer; true when it gave a record.
  bool take_event(std::span<const std::uint8_t> event,
                  const std::function<void(const ProbeRecord&)>& handler);

  UniqueFd fd_;
  std::map<std::string, Folder> folders_;  // by file handle
  std::size_t files_ = 0;
  std::uint64_t overflows_ = 0;
  std::vector<std::uint8_t> buffer_;  // events that the budget left
  std::size_t taken_ = 0;
};

}  // namespace akm::bpf
