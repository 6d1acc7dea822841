// Covers TpmEnvelope::decode and open_tpm_bundle up to its cipher; what that protects is fuzz_bundle's.
#include <algorithm>

#include "daemon/protocol/tpm_bundle.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using namespace akm::protocol;
using akm::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> bytes(data, size);
  const auto envelope = TpmEnvelope::decode(bytes);
  if (!envelope) return 0;
  require(std::ranges::equal(envelope->encode(), bytes), "there is one encoding");
  require(bundle_kdf(bytes) == std::string(kTpmImport), "it says what it is");
  static const TpmSecrets none;
  require(!open_tpm_bundle(*envelope, none), "nothing opens without the TPM");
  return 0;
}
