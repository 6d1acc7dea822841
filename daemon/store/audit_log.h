#pragma once
// The audit log as it is written (docs/audit.md): files that only grow, chained over their borders, sealed at
// intervals, the oldest removed. What it may not do is lose a record without saying so.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"
#include "daemon/store/audit_check.h"
#include "daemon/store/audit_record.h"

namespace akm::store {

struct AuditLimits {
  std::size_t file_bytes = std::size_t{1} << 20;
  std::size_t files = 8;
};

/// Blocking; not thread-safe. Nothing is durable before sync().
class AuditLog {
 public:
  struct Opened {
    std::unique_ptr<AuditLog> log;
    AuditCheck found;              // how the log was
    std::uint64_t torn_bytes = 0;  // of a record that a power cut broke off: taken off
    bool damaged = false;          // more than that: a new file was begun behind the gap
  };
  /// Makes the folder where it is missing, checks what is there and goes on from it. Without an anchor
  /// nothing was sealed yet. storage_failed, disk_full, read_only.
  static Result<Opened> open(const std::string& folder, const AuditKey& key, const AuditLimits& limits,
                             const std::optional<AuditAnchor>& anchor, const AuditVisitor& visit = {});

  /// Its number and seal are set here. On failure nothing of it stays, as far as the disk lets that be.
  Status append(AuditRecord record);
  /// A record that closes the chain up to here with the key. The caller syncs, stores anchor(), and calls
  /// sealed().
  Status seal(AuditRecord record);
  Status sync();
  /// The anchor is stored: files beyond the limit go.
  Status sealed();

  [[nodiscard]] AuditAnchor anchor() const;
  [[nodiscard]] const AuditHead& head() const { return head_; }
  [[nodiscard]] bool unsynced() const { return unsynced_; }
  /// Records since the last seal.
  [[nodiscard]] std::uint64_t unsealed() const { return head_.number - sealed_; }
  /// A file was begun since the last seal.
  [[nodiscard]] bool rotated() const { return rotated_; }
  /// state_corrupt when somebody cut, grew, removed or replaced the file that is written to.
  [[nodiscard]] Status untouched() const;
  /// What comes next goes to a file of its own.
  void leave_file();

 private:
  AuditLog(std::string folder, const AuditKey& key, const AuditLimits& limits)
      : folder_(std::move(folder)), key_(key), limits_(limits) {}
  Status go_on(const AuditCheck& found, Opened& out);
  Status begin_file(std::uint64_t number);
  void clear_way(std::uint64_t number) const;
  Status take_up(std::uint64_t number);
  [[nodiscard]] Result<UniqueFd> open_to_write() const;
  Status write(std::span<const std::uint8_t> bytes);
  [[nodiscard]] std::string path_of(std::uint64_t number) const;

  std::string folder_;
  const AuditKey& key_;
  AuditLimits limits_;
  UniqueFd folder_fd_;
  UniqueFd fd_;
  std::uint64_t first_file_ = 1;
  std::uint64_t file_ = 0;
  std::size_t size_ = 0;
  AuditHead head_;
  std::uint64_t sealed_ = 0;
  bool unsynced_ = false;
  bool rotated_ = false;
};

}  // namespace akm::store
