#pragma once
// Records on disk: sealed under keys derived from the storage key, atomic, durable.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/atomic_file.h"
#include "daemon/base/random.h"
#include "daemon/base/result.h"
#include "daemon/base/secret.h"

namespace akm::store {

/// A record may be at most this long.
inline constexpr std::size_t kRecordMaxBytes = std::size_t{512} * 1024;
/// A name: 1 to 96 of a-z, 0-9, '.', '_' and '-', not beginning with '.' or '-'.
inline constexpr std::size_t kRecordNameBytes = 96;
/// Records in one folder: more than an NMM has relationships.
inline constexpr std::size_t kRecordsMax = 65536;
/// Before the name of a record that was set aside: "damaged-1-NAME".
inline constexpr std::string_view kDamagedPrefix = "damaged-";
inline constexpr int kDamagedKept = 9;

/// A folder of records, one file each, sealed with AES-256-GCM under a key of its own for each writing:
/// HKDF-Expand of the storage key over the file's name and 32 fresh random bytes. No nonce can repeat under a
/// key, whatever is restored or written in parallel. The name and the format's version are authenticated, so
/// that files cannot be swapped; that a file is not an older one is the caller's to guard. Writing: temporary
/// file, fsync, rename, fsync of the folder. Files 0600, folder 0700. Blocking; not thread-safe.
struct NamedRecord {
  std::string name;
  std::span<const std::uint8_t> record;
};

class SealedStore {
 public:
  /// Creates the folder where it is missing; what can be read of it is durable from then on; wipes leftover
  /// temporary files; takes a lock, so that two daemons cannot share a folder (busy). On a read-only disk
  /// what is there can be read. storage_failed, read_only, disk_full. `random` outlives the store.
  static Result<std::unique_ptr<SealedStore>> open(const std::string& folder,
                                                   const SecretBytes<32>& storage_key, RandomSource& random);
  virtual ~SealedStore() = default;
  /// not_found; newer_version; state_corrupt with the path when it does not open or is no regular file (it is
  /// kept); invalid_argument for a bad name.
  virtual Result<SecretBuffer> read(std::string_view name) = 0;
  /// Durable when it returns. On failure the old record is intact; after a failed fsync of the folder alone
  /// (storage_failed) the new one may be there. disk_full (with what is needed and what is free), read_only,
  /// too_large, invalid_argument.
  virtual Status write(std::string_view name, std::span<const std::uint8_t> record) = 0;
  /// All of them, in this order, as write() does; where it fails, a beginning of them may have been written.
  /// After a power cut too, if the file system keeps the order of names in a folder (ext4, XFS, Btrfs); else
  /// any of them. Costs little more than one.
  virtual Status write_all(std::span<const NamedRecord> records) {
    for (const NamedRecord& one : records) AKM_TRY(write(one.name, one.record));
    return {};
  }
  /// Removes and overwrites, durably; a missing record is no error. After a failure the record is there, or
  /// gone and not yet overwritten: a second try, or the next open(), overwrites it.
  virtual Status remove(std::string_view name) = 0;
  /// Gives a record that is of no use a name beginning with kDamagedPrefix, so that nothing overwrites it;
  /// the path it has now. Of one record at most kDamagedKept are kept, a further one stays in its place
  /// (limit_exceeded).
  virtual Result<std::string> set_aside(std::string_view name) {
    return fail(Errc::not_supported, std::string(name));
  }
  /// Names of all records, sorted; those that were set aside are among them.
  virtual Result<std::vector<std::string>> list() = 0;
  /// The storage key is wiped here: nothing is read or written from now on (wrong_state). For the end of a
  /// state, beside which a record under its dead key would come up at the next start as a damaged one.
  virtual void forget() {}
};

}  // namespace akm::store
