#pragma once
// A bundle wherever the operator says that it is: a file, a folder, or a drive, which is mounted just while
// it is read and while it is consumed. All of it may block: not for the loop thread.
#include <optional>
#include <string>
#include <vector>

#include "daemon/protocol/provisioning.h"
#include "daemon/service/block_devices.h"
#include "daemon/service/bundle_file.h"

namespace akm::service {

class BundleSource {
 public:
  /// `path`: NODE.akmbundle on a mounted filesystem; a folder or a block device that holds one bundle; or
  /// DEVICE/NODE.akmbundle. A drive is read through a read-only mount. `also`: block_devices. Errors of
  /// BundleFile::open and DriveMount::open; not_found for none, invalid_argument for several bundles,
  /// refused_by_policy for a device that is not removable.
  static Result<BundleSource> open(const std::string& path, const std::vector<std::string>& also);

  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }
  [[nodiscard]] std::string way() const { return drive_ ? "drive" : "file"; }
  /// Receipt, overwritten, removed: through a writable mount of the drive, on which the same bytes must
  /// stand.
  Status consume(std::string_view receipt);

 private:
  static Result<BundleSource> on_drive(dev_t number, std::string name, const std::vector<std::string>& also);
  static Result<BundleSource> in_folder(UniqueFd folder);

  std::optional<BundleFile> file_;
  std::optional<BlockDevice> drive_;
  std::string name_;
  std::vector<std::uint8_t> bytes_;
};

/// The only bundle in a folder. not_found, invalid_argument (several: it names them), limit_exceeded.
Result<std::string> only_bundle(int folder);

/// A bundle on a drive that was plugged in.
struct BundleOffer {
  std::string device;  // "/dev/sdb1"
  std::string name;    // "NODE.akmbundle"; empty when the drive itself is refused
  protocol::Digest32 digest{};
  std::string refusal;  // why it cannot be used; empty when its code is all that is missing
  bool operator==(const BundleOffer&) const = default;
};
inline constexpr std::size_t kDrivesLookedAt = 16;
/// Looks at every removable drive through a read-only mount, and leaves nothing behind.
std::vector<BundleOffer> look_for_bundles(const std::vector<std::string>& also);

}  // namespace akm::service
