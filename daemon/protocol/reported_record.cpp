// The entries of a report (section 7, "The Root"): nodes and relationships.
#include "daemon/protocol/reported_record.h"

#include <algorithm>

#include "daemon/protocol/asr_codec.h"
#include "daemon/protocol/limits.h"
#include "daemon/protocol/suite.h"

namespace akm::protocol {
namespace {

constexpr std::uint64_t kHighestState = 4;

std::vector<std::string> read_endpoints(CborReader& reader) {
  std::vector<std::string> out;
  for (std::size_t left = reader.array(limits::kEndpointsPerMember); left > 0 && reader.ok(); --left) {
    out.emplace_back(reader.text(limits::kEndpointTextBytes, 1));
  }
  return out;
}

// The bits of what must be there.
constexpr unsigned kNodeFields = (1U << 11) - 1;
unsigned read_node_field(CborReader& reader, std::string_view key, ReportedNode& out) {
  if (key == "ak") return out.attestation_key = copy(reader.bytes(kQuoteBytes, 1)), 0;
  if (key == "id") return out.id = reader.unsigned_integer(), 1U << 0;
  if (key == "asr") return out.provisioning_asr = reader.unsigned_integer(), 1U << 1;
  if (key == "name") return out.name = reader.text(limits::kNameBytes, 1), 1U << 2;
  if (key == "peer") return out.peer = reader.text(limits::kEndpointTextBytes), 1U << 3;
  if (key == "prior") return out.prior = read_derivation(reader), 0;
  if (key == "state")
    return out.state = static_cast<std::uint8_t>(reader.unsigned_integer(kHighestState)), 1U << 4;
  if (key == "change") return out.change = reader.unsigned_integer(), 1U << 5;
  if (key == "golden") return out.golden = reader.boolean(), 0;
  if (key == "newest") return out.newest = read_derivation(reader), 1U << 6;
  if (key == "binding") return out.binding = reader.boolean(), 1U << 7;
  if (key == "evicted") {
    for (std::size_t left = reader.array(kAsrsOfReportedNode); left > 0 && reader.ok(); --left)
      out.evicted.insert(reader.unsigned_integer());
    return 0;
  }
  if (key == "version") return out.version = reader.text(kVersionTextBytes), 1U << 8;
  if (key == "zeroize") return out.zeroize = reader.boolean(), 0;
  if (key == "activated") return out.activated = read_u32(reader), 1U << 9;
  if (key == "endpoints") return out.endpoints = read_endpoints(reader), 1U << 10;
  if (key == "pcr_digest") return out.pcr_digest = read_digest(reader), 0;
  return kUnknown;
}

constexpr unsigned kAsrFields = (1U << 7) - 1;
unsigned read_asr_field(CborReader& reader, std::string_view key, ReportedAsr& out) {
  if (key == "id") return out.id = reader.unsigned_integer(), 1U << 0;
  if (key == "label") return out.label = reader.text(limits::kLabelBytes, 1), 1U << 1;
  if (key == "suite") {
    const auto suite = parse_suite(reader.unsigned_integer());
    if (!suite) reader.refuse("relationship: unknown suite");
    out.suite = suite.value_or(Suite::hkdf_sha256_aes256gcm);
    return 1U << 2;
  }
  if (key == "change") return out.change = reader.unsigned_integer(), 1U << 3;
  if (key == "policy") return out.policy = read_policy(reader), 1U << 4;
  if (key == "roster") {
    for (std::size_t left = reader.array(limits::kMembers); left > 0 && reader.ok(); --left) {
      if (reader.array(2) != 2) reader.refuse("relationship: index and node of each member");
      const auto index = static_cast<std::uint16_t>(reader.unsigned_integer(limits::kMembers - 1));
      out.roster.emplace_back(index, reader.unsigned_integer());
    }
    return 1U << 5;
  }
  if (key == "generation") return out.generation = read_u32(reader), 1U << 6;
  return kUnknown;
}

}  // namespace

void write_derivation(CborWriter& writer, const Derivation& from) {
  writer.array(3);
  writer.unsigned_integer(from.serial);
  writer.unsigned_integer(from.root);
  writer.bytes(from.hardware_value);
}

Derivation read_derivation(CborReader& reader) {
  Derivation out;
  if (reader.array(3) != 3) reader.refuse("node: serial, root and hardware value");
  out.serial = read_u32(reader);
  out.root = read_u32(reader);
  out.hardware_value = read_digest(reader);
  return out;
}

void write_reported(CborWriter& writer, const ReportedNode& node) {
  writer.map(11U + (node.attestation_key.empty() ? 0U : 1U) + (node.prior ? 1U : 0U) +
             (node.evicted.empty() ? 0U : 1U) + (node.pcr_digest ? 1U : 0U) + (node.golden ? 1U : 0U) +
             (node.zeroize ? 1U : 0U));
  if (!node.attestation_key.empty()) {
    writer.text("ak");
    writer.bytes(node.attestation_key);
  }
  writer.text("id");
  writer.unsigned_integer(node.id);
  writer.text("asr");
  writer.unsigned_integer(node.provisioning_asr);
  writer.text("name");
  writer.text(node.name);
  writer.text("peer");
  writer.text(node.peer);
  if (node.prior) {
    writer.text("prior");
    write_derivation(writer, *node.prior);
  }
  writer.text("state");
  writer.unsigned_integer(node.state);
  writer.text("change");
  writer.unsigned_integer(node.change);
  if (node.golden) {
    writer.text("golden");
    writer.boolean(true);
  }
  writer.text("newest");
  write_derivation(writer, node.newest);
  writer.text("binding");
  writer.boolean(node.binding);
  if (!node.evicted.empty()) {
    writer.text("evicted");
    writer.array(node.evicted.size());
    for (const AsrId id : node.evicted) writer.unsigned_integer(id);
  }
  writer.text("version");
  writer.text(node.version);
  if (node.zeroize) {
    writer.text("zeroize");
    writer.boolean(true);
  }
  writer.text("activated");
  writer.unsigned_integer(node.activated);
  writer.text("endpoints");
  writer.array(node.endpoints.size());
  for (const std::string& endpoint : node.endpoints) writer.text(endpoint);
  if (node.pcr_digest) {
    writer.text("pcr_digest");
    writer.bytes(*node.pcr_digest);
  }
}

void write_reported(CborWriter& writer, const ReportedAsr& asr) {
  writer.map(7);
  writer.text("id");
  writer.unsigned_integer(asr.id);
  writer.text("label");
  writer.text(asr.label);
  writer.text("suite");
  writer.unsigned_integer(static_cast<std::uint64_t>(asr.suite));
  writer.text("change");
  writer.unsigned_integer(asr.change);
  writer.text("policy");
  write_policy(writer, asr.policy);
  writer.text("roster");
  writer.array(asr.roster.size());
  for (const auto& [index, node_id] : asr.roster) {
    writer.array(2);
    writer.unsigned_integer(index);
    writer.unsigned_integer(node_id);
  }
  writer.text("generation");
  writer.unsigned_integer(asr.generation);
}

ReportedNode read_reported_node(CborReader& reader) {
  ReportedNode out;
  read_entry(reader, kNodeFields, [&](std::string_view key) { return read_node_field(reader, key, out); });
  const bool sound = out.id != 0 && out.provisioning_asr != 0 && out.newest.serial != 0;
  if (reader.ok() && !sound) reader.refuse("node: an id or serial 0");
  return out;
}

ReportedAsr read_reported_asr(CborReader& reader) {
  ReportedAsr out;
  read_entry(reader, kAsrFields, [&](std::string_view key) { return read_asr_field(reader, key, out); });
  if (reader.ok() && (out.id == 0 || out.generation == 0)) reader.refuse("relationship: id or generation 0");
  return out;
}

Body ReportedNode::encode() const {
  CborWriter writer;
  write_reported(writer, *this);
  return writer.take();
}

Result<ReportedNode> ReportedNode::decode(BodyView body) {
  CborReader reader(body);
  ReportedNode out = read_reported_node(reader);
  AKM_TRY(reader.finish());
  return out;
}

Body ReportedAsr::encode() const {
  CborWriter writer;
  write_reported(writer, *this);
  return writer.take();
}

Result<ReportedAsr> ReportedAsr::decode(BodyView body) {
  CborReader reader(body);
  ReportedAsr out = read_reported_asr(reader);
  AKM_TRY(reader.finish());
  return out;
}

}  // namespace akm::protocol
