// Covers decode_sealed_blob, encode_sealed_blob, policy_key_of_pem, policy_signature_of_der (keyring),
// seal_record and open_record (store). The first
// byte chooses; the storage key is all zeros, so that seeds open.
#include <algorithm>

#include "daemon/store/sealed_record.h"
#include "keyring/policy_key.h"
#include "keyring/sealed_blob.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/seeded_random.h"

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

/// Whatever is sealed opens, and not when one bit of it is another.
void sealed(std::uint16_t place, std::span<const std::uint8_t> plain) {
  static const SecretBytes<32> key;
  test::SeededRandom random;
  auto bytes = store::seal_record(key, kName, plain, random);
  require(bytes.has_value(), "a record can be sealed");
  const auto opened = store::open_record(key, kName, *bytes);
  require(opened && std::ranges::equal(opened->reveal(), plain), "what was sealed opens");
  (*bytes)[place % bytes->size()] ^= static_cast<std::uint8_t>(1U << (place >> 13));
  require(!store::open_record(key, kName, *bytes), "what was changed does not open");
}

/// The operator's key and signatures: from files, over D-Bus.
void policy(std::span<const std::uint8_t> bytes) {
  const auto key = keyring::policy_key_of_pem({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  require(!key || keyring::name_of_public(*key), "a key has a name");
  const auto signature = keyring::policy_signature_of_der(bytes);
  require(!signature || signature->size() <= keyring::kSignatureMaxBytes, "a signature fits into a blob");
  (void)keyring::name_of_public(bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t what = input.u8();
  if (what == 4) {
    policy(input.rest());
  } else if (what == 2) {
    const std::uint16_t place = input.u16();
    sealed(place, input.rest());
  } else {
    what % 2 == 0 ? blob(input.rest()) : record(input.rest());
  }
  return 0;
}
