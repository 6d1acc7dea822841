#pragma once
// A backup as a file (docs/protocol.md, section 7, "A backup"): whoever has the recovery secret opens it, and
// nobody else.
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/nmm/backup_content.h"
#include "daemon/protocol/bundle.h"

namespace akm::nmm {

/// More than the largest NMM needs.
inline constexpr std::size_t kBackupBytes = std::size_t{64} << 20;
inline constexpr std::size_t kBackupSecretMinBytes = 16;  // of one that an operator thought of
inline constexpr std::size_t kBackupSecretMaxBytes = 256;

struct BackupSecret {
  SecretBuffer text;
  bool drawn = false;  // 20 symbols of ours, which people may type as they like; else the operator's own
};

/// invalid_argument for a secret of an operator's that is too short or too long.
Result<std::vector<std::uint8_t>> seal_backup(const BackupContent& content, const BackupSecret& secret,
                                              RandomSource& random, const protocol::ScryptCost& cost = {});
/// `typed` as people type it. newer_version; not_authentic: another secret, or a changed file; malformed,
/// too_large.
Result<BackupContent> open_backup(std::span<const std::uint8_t> bytes, const SecretBuffer& typed);

}  // namespace akm::nmm
