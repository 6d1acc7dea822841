#pragma once
// The storage root key (SRK): the parent of what is sealed, and what sessions are salted with. Its name is
// pinned by the first sealing: salt for a key that nobody has pinned hides nothing from who sits between us
// and the TPM.
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/base/result.h"
#include "keyring/tpm_context.h"

namespace akm::keyring {

/// Where the machine's owner made it persistent (TCG provisioning guidance).
inline constexpr TPM2_HANDLE kStorageRootKeyHandle = 0x81000001;

/// Which key it has to be, and of which TPM. Empty: not known yet.
struct PinnedRoot {
  std::vector<std::uint8_t> name;
  std::vector<std::uint8_t>
      endorsement;  // name of the endorsement key: not touched when the owner is cleared
};

struct StorageRoot {
  TpmHandle handle;
  std::vector<std::uint8_t> name;
};

/// The persistent one, else made from the ECC template, else from the RSA one. With a name pinned, the one of
/// these that bears it and whose public part has that name, so that a key made persistent later changes
/// nothing. not_found, with the words of what happened (another TPM, a cleared one) and of the way out;
/// tpm_failed.
Result<StorageRoot> storage_root_key(TpmContext& tpm, const PinnedRoot& pinned);
/// For PinnedRoot at the first sealing; empty where the TPM does not tell.
std::vector<std::uint8_t> endorsement_name(TpmContext& tpm);

}  // namespace akm::keyring
