// Data frames of a relationship (section 6a): datagrams of local programs, sealed under the session key.
#include "daemon/protocol/data_payload.h"
#include "daemon/protocol/relationship.h"

namespace akm::protocol {

Status Relationship::send_data(const SendData& event, std::span<std::uint8_t> room, StepContext& step) {
  if (kind() != Kind::operational) return fail(Errc::invalid_argument, "not an operational ASR");
  if (event.payload.size() > kDataBytes) return fail(Errc::too_large, "a datagram");
  Generation& current = *state_.current;
  std::span<const Peer> receivers = current.peers->all();
  if (event.to != kEveryone) {
    const Peer* peer = event.to == current.own_index ? nullptr : current.peers->find(event.to);
    if (peer == nullptr) return fail(Errc::not_found, "another member of that index");
    if (!peer->endpoint) return fail(Errc::unreachable, "member");
    receivers = std::span(peer, 1);
  }
  const std::size_t size = kDataHeaderBytes + event.payload.size();
  const auto frame = room.first(size + kFrameOverheadBytes);
  const auto plain = frame.subspan(limits::kFrameHeaderBytes, size);
  encode_data_payload({event.to, event.payload}, plain);
  Session& session = *current.normal().link().session();
  const Sender own{current.own_index, step.options.incarnation, step.options.salt};
  AKM_TRY(session.seal(own, FrameType::data, plain, frame));
  // One frame for all: of two with the same content and one's own number each, an outsider could turn one
  // member's copy to another, who would take both.
  const auto send = [&](const Endpoint& to) {
    ++step.counters.frames_sent;
    step.effects.emplace_back(SendDatagram{to, frame});
  };
  if (event.to == kEveryone && current.group) {
    send(*current.group);
  } else {
    for (const Peer& peer : receivers) {
      if (peer.index != current.own_index && peer.endpoint) send(*peer.endpoint);
    }
  }
  ++step.counters.data_sent;
  ++data_.sent;
  count_frame(current, session, step);
  return {};
}

/// The sender's index in the current roster; none when data from it under this generation is not taken.
std::optional<std::uint16_t> Relationship::data_sender(const Opened& opened, std::uint16_t index) const {
  const bool old = state_.grace && opened.generation == &*state_.grace;
  // Whoever was left out still holds the old key, and could speak as anybody under it.
  if (old && state_.grace_shut) return std::nullopt;
  const NodeId node = opened.generation->description->member(index)->node_id;
  if (state_.installed && state_.installed->description->member_by_node(node) == nullptr) return std::nullopt;
  if (!old) return index;
  const Member* now = state_.current->description->member_by_node(node);
  return now == nullptr ? std::nullopt : std::optional(now->index);
}

std::expected<void, Refusal> Relationship::receive_data(const FrameHeader& header, const Opened& opened,
                                                        const Endpoint& from, StepContext& step) {
  const auto data = decode_data_payload(opened.payload);
  if (!data) return std::unexpected(data.error());
  if (header.chain != Chain::normal || kind() != Kind::operational)
    return std::unexpected(Refusal::not_expected);
  if (data->to != kEveryone && data->to != opened.generation->own_index)
    return std::unexpected(Refusal::other_addressee);
  // What was received before the restart would be received again.
  if (opened.session->restored()) return std::unexpected(Refusal::not_expected);
  const auto sender = data_sender(opened, header.index);
  if (!sender) return std::unexpected(Refusal::not_expected);
  accept(header, opened, from, step);
  catch_up(header, opened, step);
  ++step.counters.data_received;
  ++data_.received;
  step.effects.emplace_back(DataReceived{id_, *sender, data->bytes});
  if (!dirty_) settle();
  return {};
}

}  // namespace akm::protocol
