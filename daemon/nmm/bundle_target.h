#pragma once
// Where a bundle goes: a folder that the operator has mounted, or a drive that is mounted here for the time
// of writing.
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"
#include "daemon/nmm/control_port.h"
#include "daemon/service/drive_mount.h"

namespace akm::nmm {

/// May that be written to? Removable, or `force`; never what the system lives on or what is held by something
/// else. refused_by_policy, busy, read_only.
Status check_drive(const service::BlockDevice& device, const std::vector<service::BlockDevice>& devices,
                   const std::string& mountinfo, bool force);

class BundleTarget {
 public:
  /// `to`: a folder or a block device, absolute. What is written goes with a mount of its own. Errors of
  /// check_drive and DriveMount::open; not_found, io_failed.
  static Result<BundleTarget> open(const std::string& to, bool force);

  [[nodiscard]] int folder() const { return drive_ ? drive_->root() : folder_.get(); }
  /// For people: "/media/usb/NAME" or "/dev/sdb1/NAME".
  [[nodiscard]] std::string path_of(const std::string& name) const { return place_ + "/" + name; }
  /// After the last write: all is on the drive, which may be pulled out when the target is gone.
  Status finish();

 private:
  std::optional<service::DriveMount> drive_;
  UniqueFd folder_;
  std::string place_;
};

/// Each removable device with a medium.
std::vector<DriveSnapshot> list_drives();

}  // namespace akm::nmm
