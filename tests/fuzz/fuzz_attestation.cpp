// Covers verify_quote (key, signature and what they sign) and read_quote. Input: a byte that chooses, then
// for verify_quote key and signature, each after its length (u16), and the quote; for read_quote the quote.
#include "daemon/protocol/attestation.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using namespace akm::protocol;
using akm::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::vector<std::uint8_t> nonce(kAttestationNonceBytes);
  if (input.u8() % 2 == 0) {
    const auto key = input.bytes(input.u16());
    const auto signature = input.bytes(input.u16());
    const auto state = verify_quote(key, input.rest(), signature, nonce, kAttestedPcrs);
    require(!state, "nobody here holds a key");
    return 0;
  }
  const auto quote = input.rest();
  const auto state = read_quote(quote, nonce, kAttestedPcrs);
  if (!state) return 0;
  require(std::ranges::equal(state->pcr_digest, quote.last(state->pcr_digest.size())),
          "the digest is what a quote ends with");
  return 0;
}
