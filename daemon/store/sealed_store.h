#pragma once
// Records on disk: sealed under keys derived from the storage key, atomic, durable.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/base/result.h"
#include "daemon/base/secret.h"

namespace akm::store {

/// A folder of records, one file each: AES-256-GCM under Expand(storage key, file name), the name authenticated, so
/// that files cannot be swapped. Writing: temporary file, fsync, rename, fsync of the folder. Files 0600, folder 0700.
class SealedStore {
 public:
  /// Creates the folder where it is missing; removes leftover temporary files; takes a lock, so that two daemons cannot
  /// share a folder (busy). storage_failed, read_only, disk_full.
  static Result<std::unique_ptr<SealedStore>> open(const std::string& folder, const SecretBytes<32>& storage_key,
                                                   RandomSource& random);
  virtual ~SealedStore() = default;
  /// not_found; state_corrupt when it does not open (the file is kept).
  virtual Result<SecretBuffer> read(std::string_view name) = 0;
  /// Durable when it returns. On failure the old record is intact.
  virtual Status write(std::string_view name, std::span<const std::uint8_t> record) = 0;
  /// Overwrites and removes, durably; a missing record is no error.
  virtual Status remove(std::string_view name) = 0;
  /// Names of all records, sorted.
  virtual Result<std::vector<std::string>> list() = 0;
};

/// Not sealed, but as atomic: the sealed KEK blob, receipts. mode as in open(2).
Status write_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes, std::uint32_t mode);
Result<std::vector<std::uint8_t>> read_file(const std::string& path, std::size_t max_bytes);

}  // namespace akm::store
