#include "daemon/protocol/control_message.h"

#include <algorithm>
#include <optional>

#include "daemon/base/cursor.h"

namespace akm::protocol {
namespace {

constexpr std::size_t kMostFragments =
    (limits::kRequestBodyBytes + kFragmentBytes - 1) / kFragmentBytes;  // what the largest body needs
static_assert(kMostFragments <= limits::kFragments);
static_assert(limits::kFragments <= 64, "Partial::have has a bit for each");

bool is_known(std::uint8_t kind, std::uint8_t method, std::uint16_t status) {
  return kind <= static_cast<std::uint8_t>(MessageKind::one_way) &&
         method >= static_cast<std::uint8_t>(Method::activate) &&
         method <= static_cast<std::uint8_t>(kLastMethod) &&
         status <= static_cast<std::uint16_t>(ControlStatus::not_supported);
}

bool same_message(const FragmentHeader& a, const FragmentHeader& b) {
  return a.request_id == b.request_id && a.kind == b.kind;
}

}  // namespace

void encode_fragment_header(const FragmentHeader& header, std::span<std::uint8_t, kFragmentHeaderBytes> out) {
  Writer writer(out);
  writer.u32(header.request_id);
  writer.u8(static_cast<std::uint8_t>(header.kind));
  writer.u8(static_cast<std::uint8_t>(header.method));
  writer.u16(header.fragment);
  writer.u16(header.fragments);
  writer.u16(static_cast<std::uint16_t>(header.status));
}

Result<Fragment> decode_fragment(std::span<const std::uint8_t> payload) {
  Reader reader(payload);
  Fragment out;
  out.header.request_id = reader.u32();
  const std::uint8_t kind = reader.u8();
  const std::uint8_t method = reader.u8();
  out.header.fragment = reader.u16();
  out.header.fragments = reader.u16();
  const std::uint16_t status = reader.u16();
  out.bytes = reader.rest();
  if (!reader.ok()) return fail(Errc::malformed, "control message: too short");
  if (!is_known(kind, method, status))
    return fail(Errc::malformed, "control message: kind, method or status");
  out.header.kind = static_cast<MessageKind>(kind);
  out.header.method = static_cast<Method>(method);
  out.header.status = static_cast<ControlStatus>(status);
  if (out.header.kind != MessageKind::response && out.header.status != ControlStatus::ok) {
    return fail(Errc::malformed, "control message: only a response has a status");
  }
  const std::uint16_t count = out.header.fragments;
  if (count == 0 || count > kMostFragments || out.header.fragment >= count) {
    return fail(Errc::malformed, "control message: fragment count or index");
  }
  const bool last = out.header.fragment + 1 == count;
  if (out.bytes.size() > kFragmentBytes || (!last && out.bytes.size() != kFragmentBytes) ||
      (count > 1 && out.bytes.empty())) {
    return fail(Errc::malformed, "control message: fragment length");
  }
  return out;
}

Result<Fragmenter> Fragmenter::create(const FragmentHeader& header, std::span<const std::uint8_t> body) {
  if (body.size() > limits::kRequestBodyBytes) return fail(Errc::too_large, "body of a control message");
  FragmentHeader first = header;
  first.fragment = 0;
  first.fragments = static_cast<std::uint16_t>(
      std::max<std::size_t>(1, (body.size() + kFragmentBytes - 1) / kFragmentBytes));
  return Fragmenter(first, body);
}

std::size_t Fragmenter::payload_size(std::uint16_t index) const {
  const std::size_t before = std::size_t{index} * kFragmentBytes;
  return kFragmentHeaderBytes + std::min(kFragmentBytes, body_.size() - before);
}

void Fragmenter::write(std::uint16_t index, std::span<std::uint8_t> out) const {
  FragmentHeader header = header_;
  header.fragment = index;
  encode_fragment_header(header, out.first<kFragmentHeaderBytes>());
  std::ranges::copy(
      body_.subspan(std::size_t{index} * kFragmentBytes, payload_size(index) - kFragmentHeaderBytes),
      out.subspan(kFragmentHeaderBytes).begin());
}

Result<std::optional<ControlMessage>> Reassembler::add(const Fragment& fragment) {
  const FragmentHeader& header = fragment.header;
  FragmentHeader first = header;
  first.fragment = 0;
  if (header.fragments == 1) return ControlMessage{first, SecretBuffer::copy_of(fragment.bytes)};

  auto found =
      std::ranges::find_if(partial_, [&](const Partial& one) { return same_message(one.header, header); });
  if (found == partial_.end()) {
    if (partial_.size() == limits::kReassembliesPerPeer) partial_.erase(partial_.begin());
    partial_.push_back({first, SecretBuffer(header.fragments * kFragmentBytes), 0, 0});
    found = std::prev(partial_.end());
  }
  if (found->header != first)
    return fail(Errc::malformed, "control message: fragments contradict each other");
  const std::uint64_t bit = std::uint64_t{1} << header.fragment;
  if ((found->have & bit) != 0) return std::nullopt;
  const std::size_t place = std::size_t{header.fragment} * kFragmentBytes;
  std::ranges::copy(fragment.bytes, found->body.reveal_mutable().subspan(place).begin());
  found->have |= bit;
  if (header.fragment + 1 == header.fragments) found->size = place + fragment.bytes.size();
  const std::uint64_t all =
      header.fragments == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << header.fragments) - 1;
  if (found->have != all) return std::nullopt;

  ControlMessage whole{first, std::move(found->body)};
  const std::size_t size = found->size;
  partial_.erase(found);
  if (size > limits::kRequestBodyBytes) return fail(Errc::too_large, "body of a control message");
  whole.body.shrink(size);
  return whole;
}

}  // namespace akm::protocol
