#include "daemon/protocol/frame.h"

#include <algorithm>
#include <array>
#include <optional>

#include "daemon/base/cursor.h"
#include "daemon/protocol/suite.h"

namespace akm::protocol {
namespace {

using Nonce = std::array<std::uint8_t, crypto::kNonceBytes>;

Nonce nonce_for(const SecretBytes<12>& iv, std::uint64_t sequence) {
  Nonce out{};
  std::ranges::copy(iv.reveal(), out.begin());
  for (std::size_t i = 0; i < 8; ++i) out[4 + i] ^= static_cast<std::uint8_t>(sequence >> (56 - 8 * i));
  return out;
}

std::optional<FrameType> frame_type(std::uint8_t number) {
  if (number < 1 || number > 3) return std::nullopt;
  return static_cast<FrameType>(number);
}

}  // namespace

void encode_header(const FrameHeader& header, std::span<std::uint8_t, limits::kFrameHeaderBytes> out) {
  Writer writer(out);
  writer.u8(static_cast<std::uint8_t>((kProtocolVersion << 4) | static_cast<std::uint8_t>(header.type)));
  writer.u8(static_cast<std::uint8_t>(header.chain));
  writer.u16(header.index);
  writer.u32(header.incarnation);
  writer.u64(header.asr_id);
  writer.u32(header.generation);
  writer.u32(header.epoch);
  writer.u64(header.sequence);
  writer.u32(header.salt);
}

std::expected<FrameHeader, Refusal> parse_header(std::span<const std::uint8_t> datagram) {
  if (datagram.size() < kFrameOverheadBytes) return std::unexpected(Refusal::too_short);
  if (datagram.size() > limits::kFrameBytes) return std::unexpected(Refusal::too_long);
  Reader reader(datagram);
  const std::uint8_t first = reader.u8();
  if (first >> 4 != kProtocolVersion) return std::unexpected(Refusal::bad_version);
  const auto type = frame_type(first & 15);
  if (!type) return std::unexpected(Refusal::bad_type);
  const std::uint8_t chain = reader.u8();
  if (chain >= kChainCount) return std::unexpected(Refusal::bad_chain);
  FrameHeader header;
  header.type = *type;
  header.chain = static_cast<Chain>(chain);
  header.index = reader.u16();
  header.incarnation = reader.u32();
  header.asr_id = reader.u64();
  header.generation = reader.u32();
  header.epoch = reader.u32();
  header.sequence = reader.u64();
  header.salt = reader.u32();
  if (header.asr_id == 0) return std::unexpected(Refusal::unknown_asr);
  return header;
}

Result<FrameCipher> FrameCipher::create(Suite suite, const TrafficKey& key) {
  AKM_ASSIGN(crypto::Aead aead, crypto::Aead::create(suite_aead(suite), key.key.reveal()));
  return FrameCipher(std::move(aead), key.iv.clone());
}

Status FrameCipher::seal(const FrameHeader& header, std::span<const std::uint8_t> payload,
                         std::span<std::uint8_t> out) {
  if (payload.size() > kFramePayloadBytes) return fail(Errc::too_large, "a frame's payload");
  if (out.size() != payload.size() + kFrameOverheadBytes)
    return fail(Errc::invalid_argument, "room for a frame");
  const auto head = out.first<limits::kFrameHeaderBytes>();
  encode_header(header, head);
  return aead_.seal(nonce_for(iv_, header.sequence), head, payload, out.subspan(limits::kFrameHeaderBytes));
}

Status FrameCipher::open(const FrameHeader& header, std::span<const std::uint8_t> datagram,
                         std::span<std::uint8_t> out) {
  if (datagram.size() < kFrameOverheadBytes) return fail(Errc::truncated, "a frame");
  return aead_.open(nonce_for(iv_, header.sequence), datagram.first(limits::kFrameHeaderBytes),
                    datagram.subspan(limits::kFrameHeaderBytes), out);
}

Result<std::vector<std::uint8_t>> seal_frame(FrameCipher& cipher, const FrameHeader& header,
                                             std::span<const std::uint8_t> payload) {
  std::vector<std::uint8_t> out(payload.size() + kFrameOverheadBytes);
  AKM_TRY(cipher.seal(header, payload, out));
  return out;
}

std::expected<std::span<std::uint8_t>, Refusal> open_frame(FrameCipher& cipher, const FrameHeader& header,
                                                           std::span<std::uint8_t> datagram) {
  if (datagram.size() < kFrameOverheadBytes) return std::unexpected(Refusal::too_short);
  const auto payload = datagram.subspan(limits::kFrameHeaderBytes, datagram.size() - kFrameOverheadBytes);
  if (!cipher.open(header, datagram, payload)) return std::unexpected(Refusal::not_authentic);
  return payload;
}

}  // namespace akm::protocol
