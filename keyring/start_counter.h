#pragma once
// The number of starts in an NV counter of the TPM: one write a start, at an endurance of 100 000 and more.
#include <cstdint>

#include "daemon/base/result.h"
#include "keyring/storage_root.h"

namespace akm::keyring {

/// Raises the counter at `index`, which is defined at its first use, and reads it, both in a session salted
/// with the storage root key: whoever sits between us and the TPM can neither make up a number nor keep one
/// from rising unseen. tpm_failed also when the index is there with other attributes: it is another program's
/// then, and not touched.
Result<std::uint64_t> raise_start_counter(TpmContext& tpm, const StorageRoot& root, TPM2_HANDLE number);
/// Removes the counter, in such a session too; false: there is none. Another program's index is not touched.
Result<bool> erase_start_counter(TpmContext& tpm, const StorageRoot& root, TPM2_HANDLE number);

}  // namespace akm::keyring
