// Covers parse_header, encode_header, FrameCipher::seal and open, open_frame. The key is all zeros, so that
// seeds open and what the input changes in them must not.
#include <algorithm>

#include "daemon/protocol/frame.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using namespace akm::protocol;
using akm::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static FrameCipher cipher = *FrameCipher::create(Suite::hkdf_sha256_aes256gcm, TrafficKey{});
  fuzz::Input input(data, size);
  const std::uint8_t flip = input.u8();
  const auto datagram = input.rest();
  const auto header = parse_header(datagram);
  if (!header) return 0;
  require(header->asr_id != 0, "a header without ASR is refused");

  std::array<std::uint8_t, limits::kFrameHeaderBytes> again{};
  encode_header(*header, again);
  require(std::ranges::equal(again, datagram.first(again.size())), "a header has one encoding");

  std::vector<std::uint8_t> received = fuzz::copy(datagram);
  if (const auto payload = open_frame(cipher, *header, received)) {
    require(payload->size() == datagram.size() - kFrameOverheadBytes,
            "a payload is the frame less its overhead");
    const auto sealed = seal_frame(cipher, *header, *payload);
    require(sealed && std::ranges::equal(*sealed, datagram), "what opens is what was sealed");
  }

  // What this header's sender would send with the same bytes as payload; one bit of it is flipped.
  auto sent =
      seal_frame(cipher, *header, datagram.subspan(again.size(), datagram.size() - kFrameOverheadBytes));
  require(sent && sent->size() == datagram.size(), "a frame that fits is sealed");
  const std::size_t at = (flip * std::size_t{131}) % sent->size();
  (*sent)[at] ^= static_cast<std::uint8_t>(1U << (flip % 8));
  const auto other = parse_header(*sent);
  require(!other || !open_frame(cipher, *other, *sent), "a frame with a flipped bit does not open");
  return 0;
}
