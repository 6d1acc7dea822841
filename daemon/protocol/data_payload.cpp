#include "daemon/protocol/data_payload.h"

#include "daemon/base/cursor.h"

namespace akm::protocol {

void encode_data_payload(const DataPayload& data, std::span<std::uint8_t> out) {
  Writer writer(out);
  writer.u16(data.to);
  writer.u16(0);
  writer.bytes(data.bytes);
}

std::expected<DataPayload, Refusal> decode_data_payload(std::span<const std::uint8_t> payload) {
  Reader reader(payload);
  const std::uint16_t to = reader.u16();
  const std::uint16_t reserved = reader.u16();
  if (!reader.ok() || reserved != 0) return std::unexpected(Refusal::malformed_payload);
  return DataPayload{to, reader.rest()};
}

}  // namespace akm::protocol
