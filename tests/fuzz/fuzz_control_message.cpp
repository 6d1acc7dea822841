// Covers decode_fragment, encode_fragment_header, Reassembler::add, Fragmenter, and each body decoder on what
// was put together. Input: fragments, each after its length (u16); 1136-byte bodies are made by the length
// alone.
#include <algorithm>

#include "daemon/protocol/control_message.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using namespace akm::protocol;
using akm::fuzz::require;

namespace {

// A whole message is cut into the fragments that it came from.
void comes_back(const ControlMessage& message) {
  const auto cut = Fragmenter::create(message.header, message.body.reveal());
  require(cut.has_value(), "what was put together can be cut");
  require(cut->count() == message.header.fragments, "into as many fragments");
  Reassembler again;
  for (std::uint16_t i = 0; i < cut->count(); ++i) {
    std::vector<std::uint8_t> payload(cut->payload_size(i));
    cut->write(i, payload);
    const auto fragment = decode_fragment(payload);
    require(fragment.has_value(), "each fragment of ours is valid");
    const auto whole = again.add(*fragment);
    require(whole && whole->has_value() == (i + 1 == cut->count()),
            "the last fragment completes the message");
    if (*whole)
      require(std::ranges::equal((*whole)->body.reveal(), message.body.reveal()), "the body is the same");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  Reassembler reassembler;
  while (!input.empty()) {
    const std::size_t length = input.u16() % (kFramePayloadBytes + 1);
    // A full fragment from a few bytes of input: the rest is zeros.
    std::vector<std::uint8_t> payload = fuzz::copy(input.bytes(std::min<std::size_t>(length, 64)));
    payload.resize(length);
    const auto fragment = decode_fragment(payload);
    if (!fragment) continue;
    std::array<std::uint8_t, kFragmentHeaderBytes> again{};
    encode_fragment_header(fragment->header, again);
    require(std::ranges::equal(again, std::span(payload).first(again.size())), "a header has one encoding");
    const auto message = reassembler.add(*fragment);
    require(reassembler.pending() <= limits::kReassembliesPerPeer, "messages under way are bounded");
    if (message && *message) comes_back(**message);
  }
  return 0;
}
