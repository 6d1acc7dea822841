#include "daemon/service/bundle_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/crypto/digest.h"
#include "daemon/service/drive_mount.h"

namespace akm::service {
namespace {

Result<UniqueFd> another(int folder) {
  UniqueFd fd(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno(Errc::io_failed, "folder of the bundle");
  return fd;
}

void look_at_drive(const BlockDevice& drive, std::vector<BundleOffer>& out) {
  const auto mount = DriveMount::open(drive, DriveMount::Access::read);
  if (!mount) return;  // another filesystem, or none: not a drive that was meant for us
  const auto names = list_bundles(mount->root());
  if (!names) {
    out.push_back({drive.node, {}, {}, names.error().message()});
    return;
  }
  for (const std::string& name : *names) {
    BundleOffer offer{drive.node, name, {}, {}};
    auto folder = another(mount->root());
    const auto file = folder ? BundleFile::open_in(std::move(*folder), name, BundleFile::Purpose::inspect)
                             : std::unexpected(folder.error());
    if (!file) offer.refusal = file.error().message();
    if (file) offer.digest = crypto::sha256({file->bytes()});
    out.push_back(std::move(offer));
  }
}

}  // namespace

Result<std::string> only_bundle(int folder) {
  AKM_ASSIGN(const std::vector<std::string> names, list_bundles(folder));
  if (names.empty()) return fail(Errc::not_found, "there is no NAME.akmbundle");
  if (names.size() == 1) return names.front();
  std::string text = "there are several bundles; name one:";
  for (const std::string& name : names) text += " " + name;
  return fail(Errc::invalid_argument, text);
}

Result<BundleSource> BundleSource::open(const std::string& path, const std::vector<std::string>& also) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISBLK(info.st_mode)) return on_drive(info.st_rdev, {}, also);
    if (S_ISDIR(info.st_mode) && !path.ends_with(kBundleSuffix)) {
      UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!folder) return fail_errno(Errc::io_failed, path);
      return in_folder(std::move(folder));
    }
  } else if (errno == ENOTDIR) {
    const std::size_t slash = path.rfind('/');
    const std::string name = path.substr(slash + 1);
    if (::stat(path.substr(0, slash).c_str(), &info) == 0 && S_ISBLK(info.st_mode)) {
      if (!is_bundle_name(name)) return fail(Errc::invalid_argument, "a bundle's name ends in .akmbundle");
      return on_drive(info.st_rdev, name, also);
    }
  }
  BundleSource out;
  AKM_ASSIGN(out.file_, BundleFile::open(path));
  out.bytes_ = out.file_->bytes();
  return out;
}

Result<BundleSource> BundleSource::in_folder(UniqueFd folder) {
  AKM_ASSIGN(const std::string name, only_bundle(folder.get()));
  BundleSource out;
  AKM_ASSIGN(out.file_, BundleFile::open_in(std::move(folder), name, BundleFile::Purpose::consume));
  out.bytes_ = out.file_->bytes();
  return out;
}

Result<BundleSource> BundleSource::on_drive(dev_t number, std::string name,
                                            const std::vector<std::string>& also) {
  BundleSource out;
  AKM_ASSIGN(out.drive_, drive_by_number(block_devices(also), number));
  if (!out.drive_->removable) {
    return fail(Errc::refused_by_policy,
                out.drive_->node + " is not a removable drive, and drives.also does not list it");
  }
  // What cannot be consumed is not used.
  if (out.drive_->read_only) return fail(Errc::read_only, out.drive_->node + " is write-protected");
  AKM_ASSIGN(const DriveMount mount, DriveMount::open(*out.drive_, DriveMount::Access::read));
  out.name_ = std::move(name);
  if (out.name_.empty()) {
    AKM_ASSIGN(out.name_, only_bundle(mount.root()));
  }
  AKM_ASSIGN(UniqueFd folder, another(mount.root()));
  AKM_ASSIGN(const BundleFile file,
             BundleFile::open_in(std::move(folder), out.name_, BundleFile::Purpose::inspect));
  out.bytes_ = file.bytes();
  return out;
}

Status BundleSource::consume(std::string_view receipt) {
  if (!drive_) return file_->consume(receipt);
  AKM_ASSIGN(DriveMount mount, DriveMount::open(*drive_, DriveMount::Access::write));
  AKM_ASSIGN(UniqueFd folder, another(mount.root()));
  AKM_ASSIGN(BundleFile file, BundleFile::open_in(std::move(folder), name_, BundleFile::Purpose::consume));
  if (file.bytes() != bytes_) return fail(Errc::not_found, name_ + " is another file by now");
  AKM_TRY(file.consume(receipt));
  return mount.sync();
}

std::vector<BundleOffer> look_for_bundles(const std::vector<std::string>& also) {
  std::vector<BundleOffer> out;
  std::size_t looked_at = 0;
  for (const BlockDevice& device : block_devices(also)) {
    if (!device.removable || device.bytes == 0 || device.held || !device.partitions.empty()) continue;
    if (++looked_at > kDrivesLookedAt) break;
    look_at_drive(device, out);
  }
  return out;
}

}  // namespace akm::service
