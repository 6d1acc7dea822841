// Covers decode_sealed_blob, encode_sealed_blob (keyring) and open_record (store). The first byte chooses;
// the storage key is all zeros, so that seeds open.
#include <algorithm>

#include "daemon/store/sealed_record.h"
#include "keyring/sealed_blob.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using akm::fuzz::require;

namespace {

constexpr std::string_view kName = "asr-1";

void blob(std::span<const std::uint8_t> bytes) {
  const auto decoded = keyring::decode_sealed_blob(bytes);
  if (!decoded) return;
  const auto again = keyring::encode_sealed_blob(*decoded);
  require(again && std::ranges::equal(*again, bytes), "a blob has one encoding");
}

void record(std::span<const std::uint8_t> bytes) {
  static const SecretBytes<32> key;
  const auto opened = store::open_record(key, kName, bytes);
  if (!opened) return;
  require(opened->size() + store::kSealedOverheadBytes == bytes.size(),
          "a record is as long as what was sealed");
  require(!store::open_record(key, "asr-2", bytes), "a record does not open under another name");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const bool is_blob = input.u8() % 2 == 0;
  is_blob ? blob(input.rest()) : record(input.rest());
  return 0;
}
