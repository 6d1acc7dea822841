#pragma once
// What the decoders of control bodies (section 6) have in common.
#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "daemon/protocol/cbor.h"
#include "daemon/protocol/control_body.h"

namespace akm::protocol {

/// Runs `field` for each key of one map. It returns a bit for a key that is required and was read, 0 for one
/// that is optional, and kUnknown for one that it does not know. All bits of `required` must come together.
inline constexpr unsigned kUnknown = ~0U;
template <typename Field>
void read_entry(CborReader& reader, unsigned required, Field&& field) {
  unsigned seen = 0;
  for (std::size_t pairs = reader.map(); pairs > 0 && reader.ok(); --pairs) {
    const unsigned bit = field(reader.key());
    if (bit == kUnknown) {
      reader.skip();
    } else {
      seen |= bit;
    }
  }
  if (reader.ok() && (seen & required) != required) reader.refuse("a required field is missing");
}

/// The same for a body, which is one map.
template <typename Field>
Status read_body(BodyView body, unsigned required, Field&& field) {
  CborReader reader(body);
  read_entry(reader, required, [&](std::string_view key) { return field(reader, key); });
  return reader.finish();
}

inline Body copy(std::span<const std::uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

inline Digest32 read_digest(CborReader& reader) {
  Digest32 out{};
  std::ranges::copy(reader.bytes(out.size(), out.size()), out.begin());
  return out;
}

inline std::uint32_t read_u32(CborReader& reader) {
  return static_cast<std::uint32_t>(reader.unsigned_integer(UINT32_MAX));
}

}  // namespace akm::protocol
