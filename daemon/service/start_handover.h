#pragma once
// What a start took long to find out, passed on to the start of this program after it: in memory that only
// the two have (memfd_secret, where the kernel has it), by a descriptor that goes through exec.
#include <cstdint>
#include <optional>
#include <string>

#include "daemon/base/error.h"
#include "daemon/base/result.h"
#include "keyring/hardware_identity.h"
#include "keyring/sealer.h"

namespace akm::service {

/// The storage key is open, and this start is counted.
struct OpenedKey {
  keyring::StorageKey key;
  keyring::SealerKind kind = keyring::SealerKind::software;
  std::string description;
  std::uint32_t incarnation = 0;
  /// Collected with it, since a TPM has a part in it; none when it could not be had.
  std::optional<keyring::HardwareSources> hardware;
};

/// The next start_anew() takes it along: the key, or why there is none. io_failed, too_large.
Status hand_over(const Result<OpenedKey>& found);
/// What was handed over, once; nothing in a start that nobody prepared.
std::optional<Result<OpenedKey>> take_over();

}  // namespace akm::service
