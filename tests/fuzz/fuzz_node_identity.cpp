// Covers NodeIdentity::decode and check_identity, and with them the public areas of a TPM's keys.
#include "daemon/protocol/node_identity.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using namespace akm::protocol;
using akm::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  if (input.below(2) == 0) {
    const auto area = input.rest();
    const auto storage = parse_storage_key(area);
    const auto endorsement = parse_endorsement_key(area);
    require(!storage || !endorsement, "no key is of both kinds");
    if (storage || endorsement) require(tpm_name(area).has_value(), "a key that is taken has a name");
    return 0;
  }
  const auto bytes = input.rest();
  const auto identity = NodeIdentity::decode(bytes);
  if (!identity) return 0;
  const Body again = identity->encode();
  require(std::ranges::equal(again, bytes), "there is one encoding");
  require(!check_identity(*identity) || identity->hardware_value == *hardware_value(identity->sources),
          "the hardware value is that of the sources");
  return 0;
}
