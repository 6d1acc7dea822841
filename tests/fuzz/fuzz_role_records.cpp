// Covers nmm::decode_node_record, nmm::decode_asr_record node::NodeRecord::decode and
// node::BundleLeftover::decode with their encoders. The first byte chooses the record.
#include <algorithm>

#include "daemon/nmm/record_codec.h"
#include "daemon/node/node_record.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using akm::fuzz::require;

namespace {

using Bytes = std::vector<std::uint8_t>;

template <auto Decode, auto Encode>
void settles(std::span<const std::uint8_t> bytes) {
  const auto one = Decode(bytes);
  if (!one) return;
  const Bytes written = Encode(*one);
  const auto again = Decode(written);
  require(again.has_value(), "a record that was taken is written and taken again");
  require(Encode(*again) == written, "and is then the same");
}

template <typename Record>
Bytes encode_own(const Record& record) {
  return record.encode();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  switch (input.below(4)) {
    case 0:
      settles<nmm::decode_node_record, nmm::encode_node_record>(input.rest());
      break;
    case 1:
      settles<nmm::decode_asr_record, nmm::encode_asr_record>(input.rest());
      break;
    case 2:
      settles<node::NodeRecord::decode, encode_own<node::NodeRecord>>(input.rest());
      break;
    default:
      settles<node::BundleLeftover::decode, encode_own<node::BundleLeftover>>(input.rest());
  }
  return 0;
}
