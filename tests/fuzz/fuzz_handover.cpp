// Covers open_handover: what a node takes from whoever reaches its bus. The cipher keeps nearly everything
// out, so that what it protects is covered as content by fuzz_bundle.
#include "daemon/protocol/handover.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using namespace akm::protocol;
using akm::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const crypto::X25519PrivateKey key;  // of 32 zeros, as in the seed
  const auto opened = open_handover({data, size}, key, kUnknownHardware);
  if (opened) require(BundleContent::decode(opened->encode().reveal()).has_value(), "content comes back");
  const auto direct = decode_direct_bundle({data, size});
  require(!opened || !direct, "each way opens its own form only");
  return 0;
}
