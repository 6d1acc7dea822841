#include "daemon/nmm/record_codec.h"

#include <algorithm>

#include "daemon/protocol/asr_codec.h"
#include "daemon/protocol/cbor.h"
#include "daemon/protocol/control_body.h"
#include "daemon/protocol/zeroize_receipt.h"

namespace akm::nmm {
namespace {

using protocol::CborReader;
using protocol::CborWriter;
namespace limits = protocol::limits;

template <typename Id>
void write_ids(CborWriter& writer, const std::set<Id>& ids) {
  writer.array(ids.size());
  for (const Id id : ids) writer.unsigned_integer(id);
}

template <typename Id>
std::set<Id> read_ids(CborReader& reader, std::size_t most) {
  std::set<Id> out;
  for (std::size_t left = reader.array(most); left > 0 && reader.ok(); --left)
    out.insert(reader.unsigned_integer());
  return out;
}

void write_texts(CborWriter& writer, const std::vector<std::string>& texts) {
  writer.array(texts.size());
  for (const std::string& text : texts) writer.text(text);
}

std::vector<std::string> read_endpoints(CborReader& reader) {
  std::vector<std::string> out;
  for (std::size_t left = reader.array(limits::kEndpointsPerMember); left > 0 && reader.ok(); --left) {
    out.emplace_back(reader.text(limits::kEndpointTextBytes, 1));
  }
  return out;
}

void write_roster(CborWriter& writer, const std::vector<protocol::Member>& roster) {
  writer.array(roster.size());
  for (const protocol::Member& member : roster) {
    writer.array(5);
    writer.unsigned_integer(member.index);
    writer.unsigned_integer(member.node_id);
    writer.unsigned_integer(static_cast<std::uint64_t>(member.role));
    writer.text(member.name);
    write_texts(writer, member.endpoints);
  }
}

std::vector<protocol::Member> read_roster(CborReader& reader) {
  std::vector<protocol::Member> out;
  for (std::size_t left = reader.array(limits::kMembers); left > 0 && reader.ok(); --left) {
    if (reader.array(5) != 5) reader.refuse("roster");
    protocol::Member member;
    member.index = static_cast<std::uint16_t>(reader.unsigned_integer(UINT16_MAX));
    member.node_id = reader.unsigned_integer();
    member.role = static_cast<protocol::Role>(reader.unsigned_integer(1));
    member.name = reader.text(limits::kNameBytes);
    member.endpoints = read_endpoints(reader);
    out.push_back(std::move(member));
  }
  return out;
}

template <typename T>
Result<T> finished(const CborReader& reader, T record, std::string_view what) {
  if (const Status status = reader.finish(); !status) {
    return fail(Errc::state_corrupt, std::string(what) + ": " + status.error().detail);
  }
  return record;
}

void read_node_field(CborReader& reader, std::string_view key, NodeRecord& record) {
  if (key == "hw") {
    const auto value = reader.bytes(record.hardware_value.size(), record.hardware_value.size());
    std::ranges::copy(value, record.hardware_value.begin());
  } else if (key == "ak") {
    const auto key_bytes = reader.bytes(protocol::kQuoteBytes);
    record.attestation_key.assign(key_bytes.begin(), key_bytes.end());
  } else if (key == "pcr_digest") {
    const auto value = reader.bytes(sizeof(protocol::Digest32), sizeof(protocol::Digest32));
    std::ranges::copy(value, record.pcr_digest.emplace().begin());
  } else if (key == "golden") {
    record.golden_pcrs = reader.boolean();
  } else if (key == "root") {
    record.root = static_cast<std::uint32_t>(reader.unsigned_integer(UINT32_MAX));
  } else if (key == "prior") {
    record.prior = protocol::read_derivation(reader);
  } else if (key == "change") {
    record.change = reader.unsigned_integer();
  } else if (key == "id") {
    record.node_id = reader.unsigned_integer();
  } else if (key == "asr") {
    record.provisioning_asr = reader.unsigned_integer();
  } else if (key == "name") {
    record.name = reader.text(limits::kNameBytes, 1);
  } else if (key == "peer") {
    record.peer = reader.text(limits::kEndpointTextBytes);
  } else if (key == "self") {
    record.self = read_witness(reader);
  } else if (key == "other") {
    record.other = read_witness(reader);
  } else if (key == "rehome") {
    record.rehome_asked = reader.boolean();
  } else if (key == "receipt") {
    record.receipt = reader.text(protocol::kReceiptBytes);
  } else if (key == "zeroize") {
    record.zeroize_pending = reader.boolean();
  } else if (key == "state") {
    record.state = static_cast<NodeState>(reader.unsigned_integer(kNodeStateCount - 1));
  } else if (key == "serial") {
    record.serial = static_cast<std::uint32_t>(reader.unsigned_integer(UINT32_MAX));
  } else if (key == "evicted") {
    record.evicted_from = read_ids<protocol::AsrId>(reader, kAsrsPerNode);
  } else if (key == "version") {
    record.version = reader.text(protocol::kVersionTextBytes);
  } else if (key == "endpoints") {
    record.endpoints = read_endpoints(reader);
  } else if (key == "binding") {
    record.bind_pending = reader.boolean();
  } else if (key == "quarantine") {
    record.quarantine_pending = reader.boolean();
  } else if (key == "activated") {
    record.activated_serial = static_cast<std::uint32_t>(reader.unsigned_integer(UINT32_MAX));
  } else if (key == "prepared_at_s") {
    record.prepared_at_s = reader.unsigned_integer();
  } else {
    reader.skip();
  }
}

void read_asr_field(CborReader& reader, std::string_view key, AsrRecord& record) {
  if (key == "id") {
    record.description.id = reader.unsigned_integer();
  } else if (key == "change") {
    record.change = reader.unsigned_integer();
  } else if (key == "label") {
    record.description.label = reader.text(limits::kLabelBytes);
  } else if (key == "suite") {
    record.description.suite = static_cast<protocol::Suite>(reader.unsigned_integer(UINT16_MAX));
  } else if (key == "policy") {
    record.description.policy = protocol::read_policy(reader);
  } else if (key == "reason") {
    record.reason = static_cast<Reason>(reader.unsigned_integer(kReasonCount - 1));
  } else if (key == "roster") {
    record.description.roster = read_roster(reader);
  } else if (key == "deleted") {
    record.deleted = reader.boolean();
  } else if (key == "leaving") {
    record.leaving = read_ids<protocol::NodeId>(reader, kNodes);
  } else if (key == "complete") {
    record.complete = reader.boolean();
  } else if (key == "rotating") {
    record.rotation_pending = reader.boolean();
  } else if (key == "immediate") {
    record.immediate = reader.boolean();
  } else if (key == "generation") {
    record.description.generation = static_cast<std::uint32_t>(reader.unsigned_integer(UINT32_MAX));
  } else if (key == "unconfirmed") {
    record.unconfirmed = reader.boolean();
  } else if (key == "policy_pending") {
    record.policy_pending = read_ids<protocol::NodeId>(reader, limits::kMembers);
  } else if (key == "installed_at_s") {
    record.installed_at_s = reader.unsigned_integer();
  } else {
    reader.skip();
  }
}

void write_witnesses(CborWriter& writer, const NodeRecord& record) {
  if (record.self) {
    writer.text("self");
    write_witness(writer, *record.self);
  }
  if (record.other) {
    writer.text("other");
    write_witness(writer, *record.other);
  }
}

}  // namespace

std::vector<std::uint8_t> encode_node_record(const NodeRecord& record) {
  // After a restart a silent node is active until it has missed its heartbeats again.
  const NodeState state = record.state == NodeState::silent ? NodeState::active : record.state;
  CborWriter writer;
  const bool attested = !record.attestation_key.empty();
  writer.map(19U + (attested ? 1U : 0U) + (record.pcr_digest ? 1U : 0U) + (record.golden_pcrs ? 1U : 0U) +
             (record.prior ? 1U : 0U) + (record.self ? 1U : 0U) + (record.other ? 1U : 0U));
  if (attested) {
    writer.text("ak");
    writer.bytes(record.attestation_key);
  }
  writer.text("hw");
  writer.bytes(record.hardware_value);
  writer.text("id");
  writer.unsigned_integer(record.node_id);
  writer.text("asr");
  writer.unsigned_integer(record.provisioning_asr);
  writer.text("name");
  writer.text(record.name);
  writer.text("peer");
  writer.text(record.peer);
  writer.text("root");
  writer.unsigned_integer(record.root);
  write_witnesses(writer, record);
  if (record.prior) {
    writer.text("prior");
    protocol::write_derivation(writer, *record.prior);
  }
  writer.text("state");
  writer.unsigned_integer(static_cast<std::uint64_t>(state));
  writer.text("change");
  writer.unsigned_integer(record.change);
  if (record.golden_pcrs) {
    writer.text("golden");
    writer.boolean(true);
  }
  writer.text("rehome");
  writer.boolean(record.rehome_asked);
  writer.text("serial");
  writer.unsigned_integer(record.serial);
  writer.text("binding");
  writer.boolean(record.bind_pending);
  writer.text("evicted");
  write_ids(writer, record.evicted_from);
  writer.text("receipt");
  writer.text(record.receipt);
  writer.text("version");
  writer.text(record.version);
  writer.text("zeroize");
  writer.boolean(record.zeroize_pending);
  writer.text("activated");
  writer.unsigned_integer(record.activated_serial);
  writer.text("endpoints");
  write_texts(writer, record.endpoints);
  if (record.pcr_digest) {
    writer.text("pcr_digest");
    writer.bytes(*record.pcr_digest);
  }
  writer.text("quarantine");
  writer.boolean(record.quarantine_pending);
  writer.text("prepared_at_s");
  writer.unsigned_integer(record.prepared_at_s);
  return writer.take();
}

Result<NodeRecord> decode_node_record(std::span<const std::uint8_t> bytes) {
  CborReader reader(bytes);
  NodeRecord record;
  for (std::size_t left = reader.map(); left > 0 && reader.ok(); --left) {
    read_node_field(reader, reader.key(), record);
  }
  if (record.node_id == 0 || record.provisioning_asr == 0 || record.serial == 0 || record.name.empty()) {
    reader.refuse("a required field is missing");
  }
  return finished(reader, std::move(record), "node");
}

std::vector<std::uint8_t> encode_asr_record(const AsrRecord& record) {
  CborWriter writer;
  writer.map(15U + (record.unconfirmed ? 1U : 0U));
  writer.text("id");
  writer.unsigned_integer(record.description.id);
  writer.text("label");
  writer.text(record.description.label);
  writer.text("suite");
  writer.unsigned_integer(static_cast<std::uint64_t>(record.description.suite));
  writer.text("change");
  writer.unsigned_integer(record.change);
  writer.text("policy");
  protocol::write_policy(writer, record.description.policy);
  writer.text("reason");
  writer.unsigned_integer(static_cast<std::uint64_t>(record.reason));
  writer.text("roster");
  write_roster(writer, record.description.roster);
  writer.text("deleted");
  writer.boolean(record.deleted);
  writer.text("leaving");
  write_ids(writer, record.leaving);
  writer.text("complete");
  writer.boolean(record.complete);
  writer.text("rotating");
  writer.boolean(record.rotation_pending);
  writer.text("immediate");
  writer.boolean(record.immediate);
  writer.text("generation");
  writer.unsigned_integer(record.description.generation);
  if (record.unconfirmed) {
    writer.text("unconfirmed");
    writer.boolean(true);
  }
  writer.text("installed_at_s");
  writer.unsigned_integer(record.installed_at_s);
  writer.text("policy_pending");
  write_ids(writer, record.policy_pending);
  return writer.take();
}

Result<AsrRecord> decode_asr_record(std::span<const std::uint8_t> bytes) {
  CborReader reader(bytes);
  AsrRecord record;
  for (std::size_t left = reader.map(); left > 0 && reader.ok(); --left) {
    read_asr_field(reader, reader.key(), record);
  }
  // A deleted one may be down to any roster; a living one is what is sent to members and has to be sound.
  if (record.description.id == 0) reader.refuse("id");
  if (reader.ok() && !record.deleted) {
    if (const Status sound = record.description.check(); !sound) reader.refuse("description");
  }
  return finished(reader, std::move(record), "relationship");
}

}  // namespace akm::nmm
