#pragma once
// A bundle on a drive that may be hostile: what is not a plain small file is refused before it is opened, and
// the file is consumed through the same folder and object that was read.
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::service {

inline constexpr std::string_view kBundleSuffix = ".akmbundle";
inline constexpr std::string_view kReceiptSuffix = ".akmreceipt";
inline constexpr std::size_t kBundlesOnDrive = 16;    // more are refused
inline constexpr std::size_t kEntriesOnDrive = 4096;  // of the root folder that are looked at

/// NAME.akmbundle: 1 to 64 letters, digits, ".", "-" or "_" before the suffix, not first a dot.
bool is_bundle_name(std::string_view name);
/// The names of bundles in a folder, sorted; what kind of file has such a name is not looked at.
/// limit_exceeded, io_failed.
Result<std::vector<std::string>> list_bundles(int folder);

/// Whether this receipt lies beside where the bundle `path` was. As hostile as the bundle: a link, a FIFO,
/// another file of that name is none.
bool has_receipt(const std::string& path, std::string_view receipt);

class BundleFile {
 public:
  /// invalid_argument for a path that is not absolute, holds "." or ".." or does not end in .akmbundle, and
  /// for what is no regular file (link, FIFO, device, folder); not_found, too_large, read_only (it could not
  /// be consumed), io_failed.
  static Result<BundleFile> open(const std::string& path);
  /// The same of a name in a folder. inspect: on what is mounted read-only; it cannot be consumed.
  enum class Purpose : std::uint8_t { consume, inspect };
  static Result<BundleFile> open_in(UniqueFd folder, const std::string& name, Purpose purpose);

  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Writes the receipt beside the file (where there is room), then overwrites and removes it. Each step is
  /// tried; the first error of the last two is returned.
  Status consume(std::string_view receipt);

 private:
  UniqueFd folder_;
  UniqueFd file_;
  std::string name_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace akm::service
