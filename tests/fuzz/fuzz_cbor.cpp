// Covers CborReader: skip and finish (against libcbor's own decoder and encoder), and the typed readers in an
// order that the input chooses.
#include <cbor.h>

#include <algorithm>
#include <memory>

#include "daemon/protocol/cbor.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using namespace akm::protocol;
using akm::fuzz::require;

namespace {

// What our reader takes whole is one item to libcbor too, and is written by it as the same bytes.
void libcbor_agrees(std::span<const std::uint8_t> bytes) {
  cbor_load_result result{};
  cbor_item_t* item = cbor_load(bytes.data(), bytes.size(), &result);
  require(item != nullptr && result.read == bytes.size(), "libcbor reads it whole");
  unsigned char* written = nullptr;
  std::size_t room = 0;
  const std::size_t size = cbor_serialize_alloc(item, &written, &room);
  require(std::ranges::equal(std::span(written, size), bytes), "libcbor writes the same");
  std::free(written);
  cbor_decref(&item);
}

void read_something(CborReader& reader, fuzz::Input& choices) {
  const std::size_t bound = choices.u8();
  switch (choices.below(9)) {
    case 0:
      require(reader.unsigned_integer(bound) <= bound, "an integer keeps its bound");
      return;
    case 1:
      (void)reader.boolean();
      return;
    case 2:
      require(reader.bytes(bound).size() <= bound, "bytes keep their bound");
      return;
    case 3:
      require(reader.text(bound).size() <= bound, "a text keeps its bound");
      return;
    case 4:
      require(reader.array(bound) <= bound, "an array keeps its bound");
      return;
    case 5:
      require(reader.map(bound) <= bound, "a map keeps its bound");
      return;
    case 6:
      (void)reader.key();
      return;
    case 7:
      require(reader.text_map(bound, 16).size() <= bound, "a map of texts keeps its bound");
      return;
    default:
      reader.skip();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto script = input.bytes(input.below(24));
  const auto item = input.rest();

  CborReader whole(item);
  whole.skip();
  if (whole.finish()) libcbor_agrees(item);

  fuzz::Input choices(script.data(), script.size());
  CborReader reader(item);
  while (!choices.empty()) read_something(reader, choices);
  if (!reader.ok()) require(!reader.finish(), "a reader that failed stays failed");
  return 0;
}
