#pragma once
// A bundle on a drive that may be hostile: what is not a plain small file is refused before it is opened, and
// the file is consumed through the same folder and object that was read.
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::node {

inline constexpr std::string_view kBundleSuffix = ".akmbundle";
inline constexpr std::string_view kReceiptSuffix = ".akmreceipt";

class BundleFile {
 public:
  /// invalid_argument for a path that is not absolute, holds "." or ".." or does not end in .akmbundle, and
  /// for what is no regular file (link, FIFO, device, folder); not_found, too_large, read_only (it could not
  /// be consumed), io_failed.
  static Result<BundleFile> open(const std::string& path);

  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }
  /// Writes the receipt beside the file, then overwrites and removes it. Each step is tried; the first error
  /// is returned.
  Status consume(std::string_view receipt);

 private:
  UniqueFd folder_;
  UniqueFd file_;
  std::string name_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace akm::node
