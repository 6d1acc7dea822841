#include "daemon/protocol/zeroize_receipt.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::protocol;

namespace {

ZeroizeReceipt sample() {
  ZeroizeReceipt receipt;
  receipt.node_id = 0xa1;
  receipt.nmm_id = 0xb1;
  receipt.serial = 3;
  receipt.incarnation = 9;
  receipt.erased = {"kernel-keyring", "relationships:2"};
  receipt.last = {"storage-key"};
  return receipt;
}

ReceiptKey key_of(std::uint8_t seed) {
  ChainState chain;
  chain.pdv.reveal_mutable()[0] = seed;
  return std::move(*receipt_key(chain));
}

}  // namespace

Test(zeroize_receipt, names_what_is_gone) {
  const std::string line = *sample().seal(key_of(1));
  cr_assert(line.starts_with(
      R"({"akm-zeroize":1,"node":"00000000000000a1","nmm":"00000000000000b1","serial":3,"start":9,)"
      R"("erased":["kernel-keyring","relationships:2"],"last":["storage-key"],"failed":[],"mac":")"));
  cr_assert(check_receipt(line, key_of(1)).has_value());
}

Test(zeroize_receipt, of_another_key_or_changed_is_not_authentic) {
  const std::string line = *sample().seal(key_of(1));
  cr_assert_eq(check_receipt(line, key_of(2)).error().code, Errc::not_authentic);
  for (std::size_t at = 0; at < line.size(); ++at) {
    std::string changed = line;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    cr_assert(!check_receipt(changed, key_of(1)), "byte %zu", at);
    cr_assert(!check_receipt(line.substr(0, at), key_of(1)), "cut at %zu", at);
  }
  cr_assert(!check_receipt("", key_of(1)));
}
