#pragma once
// A drive's filesystem without a place in any tree: fsopen(2), fsmount(2). Nobody else sees it, and it is
// gone when the descriptor is closed, however the process ends.
#include <string>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"
#include "daemon/service/block_devices.h"
#include "daemon/service/filesystem_kind.h"

namespace akm::service {

class DriveMount {
 public:
  enum class Access : std::uint8_t { read, write };
  /// vfat and ext4 only; nosuid, nodev, noexec, nosymfollow. For reading nothing is written to the drive, no
  /// journal is replayed. A drive that is mounted elsewhere is used as it is mounted there. refused_by_policy
  /// (another filesystem), not_supported (not in this kernel), not_found (taken away), read_only, busy,
  /// malformed (damaged), io_failed.
  static Result<DriveMount> open(const BlockDevice& device, Access access);

  [[nodiscard]] int root() const { return root_.get(); }
  [[nodiscard]] Filesystem filesystem() const { return filesystem_; }
  /// What was written is on the drive when it returns: before the last descriptor is closed.
  Status sync();

 private:
  UniqueFd mount_;  // unmounts when it is closed: after the root
  UniqueFd root_;
  Filesystem filesystem_ = Filesystem::none;
  std::string name_;
};

/// By its first bytes; not_found when the node is not that device any more, io_failed.
Result<Filesystem> filesystem_on(const BlockDevice& device);

}  // namespace akm::service
