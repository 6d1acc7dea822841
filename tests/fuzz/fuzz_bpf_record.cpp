// Covers bpf::decode_event, ProbeRecord::subject and evidence, printable: a record of the ring buffer as
// whoever gets at our descriptors may write it.
#include <algorithm>

#include "bpf/loader/decode.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using akm::fuzz::require;

namespace {

void is_printable(std::string_view text) {
  require(std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; }),
          "what is shown of a record is printable ASCII");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto event = bpf::decode_event({data, size});
  if (!event) return 0;
  const auto* record = std::get_if<bpf::ProbeRecord>(&*event);
  if (record == nullptr) return 0;
  require(!record->operation.empty() && record->boottime_ns >= 0, "a record says what and when");
  is_printable(bpf::watch_name(record->watch));
  is_printable(bpf::outcome_name(record->outcome));
  for (const auto& part : {record->subject(), record->evidence()}) {
    for (const auto& [key, value] : part) {
      require(!key.empty(), "each fact has a name");
      is_printable(value);
    }
  }
  return 0;
}
