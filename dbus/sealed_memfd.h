#pragma once
// Secrets on the bus: a memfd that nobody can change any more. The bytes never are in a message.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"
#include "daemon/base/unique_fd.h"

namespace akm::dbus {

/// A memfd with `bytes`, sealed against writing, growing, shrinking and further seals. `label` is seen in
/// /proc only.
Result<UniqueFd> make_sealed_memfd(const char* label, std::span<const std::uint8_t> bytes);
/// Size of a memfd that has those seals (the one against further seals is not asked for) and holds 1 to
/// `limit_bytes` bytes; invalid_argument otherwise. So the holder cannot change it under us, and reading it
/// never blocks.
Result<std::size_t> check_sealed_memfd(int fd, std::size_t limit_bytes);
/// Checks, then reads all of it; the file offset is neither used nor moved.
Result<SecretBuffer> read_sealed_memfd(int fd, std::size_t limit_bytes);

/// The same for what is no secret and may be too large for the arena.
Result<std::vector<std::uint8_t>> read_public_memfd(int fd, std::size_t limit_bytes);

}  // namespace akm::dbus
