#pragma once
// The registry's records as deterministic CBOR maps. They are sealed by the store; there is no secret in
// them.
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/nmm/registry.h"

namespace akm::nmm {

std::vector<std::uint8_t> encode_node_record(const NodeRecord& record);
/// state_corrupt with the field for what is missing, out of bounds or of another type.
Result<NodeRecord> decode_node_record(std::span<const std::uint8_t> bytes);

std::vector<std::uint8_t> encode_asr_record(const AsrRecord& record);
Result<AsrRecord> decode_asr_record(std::span<const std::uint8_t> bytes);

}  // namespace akm::nmm
