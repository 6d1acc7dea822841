#include "keyring/tpm_traces.h"

#include <array>
#include <cstdint>

#include "daemon/base/secret.h"

namespace akm::keyring {

void cover_last_response(TpmContext& tpm) {
  TPM2B_DIGEST* noise = nullptr;
  if (Esys_GetRandom(tpm.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 48, &noise) == TSS2_RC_SUCCESS) {
    Esys_Free(noise);
  }
}

[[gnu::noinline]] void wipe_stack_below() {
  std::array<std::uint8_t, 64 * 1024> space;
  wipe(space.data(), space.size());
}

}  // namespace akm::keyring
