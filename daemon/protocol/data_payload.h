#pragma once
// What a data frame carries (section 6a): who it is for, and the bytes. Every member holds the key, so the
// addressee is inside of what is authenticated.
#include <cstdint>
#include <expected>
#include <span>

#include "daemon/protocol/frame.h"
#include "daemon/protocol/limits.h"
#include "daemon/protocol/refusal.h"

namespace akm::protocol {

inline constexpr std::uint16_t kEveryone = 0xffff;  // as addressee: all other members; no roster index
inline constexpr std::size_t kDataHeaderBytes = 4;
inline constexpr std::size_t kDataBytes = kFramePayloadBytes - kDataHeaderBytes;
static_assert(limits::kMembers <= kEveryone);

struct DataPayload {
  std::uint16_t to = kEveryone;
  std::span<const std::uint8_t> bytes;  // at most kDataBytes
};

/// `out` is kDataHeaderBytes + data.bytes.size() long.
void encode_data_payload(const DataPayload& data, std::span<std::uint8_t> out);
/// The bytes stay where they are. malformed_payload: too short, or the reserved field is not 0.
std::expected<DataPayload, Refusal> decode_data_payload(std::span<const std::uint8_t> payload);

}  // namespace akm::protocol
