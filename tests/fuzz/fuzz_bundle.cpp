// Covers open_bundle up to its scrypt, decode_direct_bundle, decode_token_bundle, BundleContent::decode. The
// first byte chooses the form. A code of no symbols is refused just before scrypt, which would take most of
// the time that there is; what scrypt and cipher protect is covered as content.
#include <algorithm>

#include "daemon/protocol/bundle.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using namespace akm::protocol;
using akm::fuzz::require;

namespace {

void comes_back(const BundleContent& content) {
  const auto again = BundleContent::decode(content.encode().reveal());
  require(again && *again == content, "content that was taken is written and taken again");
  // Both forms have the same limit, so content that fits into one and not into the other is refused, not cut.
  const auto direct = encode_direct_bundle(content);
  if (direct) require(decode_direct_bundle(direct->reveal()).has_value(), "a direct bundle of ours is taken");
  const auto token = encode_token_bundle(content);
  if (token) require(decode_token_bundle(token->reveal()).has_value(), "a token's bundle of ours is taken");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const SecretBuffer no_code;
  fuzz::Input input(data, size);
  switch (input.below(4)) {
    case 0: {
      const auto opened = open_bundle(input.rest(), no_code);
      require(!opened, "nothing opens without a code");
      break;
    }
    case 1:
      if (const auto content = decode_direct_bundle(input.rest())) comes_back(*content);
      break;
    case 3:
      if (const auto content = decode_token_bundle(input.rest())) comes_back(*content);
      break;
    default:
      if (const auto content = BundleContent::decode(input.rest())) comes_back(*content);
  }
  return 0;
}
