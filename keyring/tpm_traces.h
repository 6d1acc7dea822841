#pragma once
// What tpm2-tss leaves of secrets that it decrypted, and does not wipe itself.
#include "keyring/tpm_context.h"

namespace akm::keyring {

/// ESYS keeps the last response, decrypted, in its buffer and frees it unwiped: a longer response of no
/// importance covers the place.
void cover_last_response(TpmContext& tpm);

/// The library leaves parameters that it decrypted in frames that have returned: called from the frame above
/// them, this writes over the place. Twice what its deepest calls were seen to use.
void wipe_stack_below();

}  // namespace akm::keyring
