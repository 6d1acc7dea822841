#include "daemon/protocol/configure_body.h"

#include "daemon/protocol/body_fields.h"
#include "daemon/protocol/limits.h"
#include "daemon/protocol/root_body.h"

namespace akm::protocol {
namespace {

void write_node(CborWriter& writer, const ExpectedNode& node) {
  writer.map(3);
  writer.text("id");
  writer.unsigned_integer(node.id);
  writer.text("name");
  writer.text(node.name);
  writer.text("endpoints");
  writer.array(node.endpoints.size());
  for (const std::string& endpoint : node.endpoints) writer.text(endpoint);
}

ExpectedNode read_node(CborReader& reader) {
  ExpectedNode out;
  read_entry(reader, 0b111, [&](std::string_view key) -> unsigned {
    if (key == "id") return out.id = reader.unsigned_integer(), 0b1;
    if (key == "name") return out.name = reader.text(limits::kNameBytes, 1), 0b10;
    if (key == "endpoints") {
      for (std::size_t left = reader.array(limits::kEndpointsPerMember); left > 0 && reader.ok(); --left)
        out.endpoints.emplace_back(reader.text(limits::kEndpointTextBytes, 1));
      return 0b100;
    }
    return kUnknown;
  });
  if (reader.ok() && out.id == 0) reader.refuse("a node without an id");
  return out;
}

std::vector<ExpectedNode> read_nodes(CborReader& reader) {
  std::vector<ExpectedNode> out;
  for (std::size_t left = reader.array(kConfiguredNodes); left > 0 && reader.ok(); --left)
    out.push_back(read_node(reader));
  return out;
}

std::vector<std::pair<AsrId, PolicyText>> read_policies(CborReader& reader) {
  std::vector<std::pair<AsrId, PolicyText>> out;
  for (std::size_t left = reader.array(kConfiguredPolicies); left > 0 && reader.ok(); --left) {
    if (reader.array(2) != 2) reader.refuse("relationship and policy");
    const AsrId asr_id = reader.unsigned_integer();
    out.emplace_back(asr_id, reader.text_map(kConfiguredFields, kConfiguredTextBytes));
  }
  return out;
}

/// About what it takes; a little more than it does.
std::size_t size_of(const ExpectedNode& node) {
  std::size_t out = 40 + node.name.size();
  for (const std::string& endpoint : node.endpoints) out += 3 + endpoint.size();
  return out;
}
std::size_t size_of(const std::pair<AsrId, PolicyText>& policy) {
  std::size_t out = 16;
  for (const auto& [name, value] : policy.second) out += 6 + name.size() + value.size();
  return out;
}

/// Fills one part after the other.
class Parts {
 public:
  template <typename Entry>
  void add(std::vector<Entry> ConfigureRequest::* list, std::size_t most, const Entry& entry) {
    if ((out_.back().*list).size() >= most || bytes_ + size_of(entry) > kReportBytes) {
      out_.back().more = true;
      const auto number = static_cast<std::uint32_t>(out_.size());
      out_.emplace_back().part = number;
      bytes_ = 0;
    }
    bytes_ += size_of(entry);
    (out_.back().*list).push_back(entry);
  }
  std::vector<ConfigureRequest> take() { return std::move(out_); }

 private:
  std::vector<ConfigureRequest> out_{1};
  std::size_t bytes_ = 0;
};

}  // namespace

Body ConfigureRequest::encode() const {
  CborWriter writer;
  writer.map(4);
  writer.text("more");
  writer.boolean(more);
  writer.text("part");
  writer.unsigned_integer(part);
  writer.text("nodes");
  writer.array(nodes.size());
  for (const ExpectedNode& node : nodes) write_node(writer, node);
  writer.text("policies");
  writer.array(policies.size());
  for (const auto& [asr_id, fields] : policies) {
    writer.array(2);
    writer.unsigned_integer(asr_id);
    writer.text_map(fields);
  }
  return writer.take();
}

Result<ConfigureRequest> ConfigureRequest::decode(BodyView body) {
  ConfigureRequest out;
  AKM_TRY(read_body(body, 0b1111, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "more") return out.more = reader.boolean(), 0b1;
    if (key == "part")
      return out.part = static_cast<std::uint32_t>(reader.unsigned_integer(kConfiguredParts - 1)), 0b10;
    if (key == "nodes") return out.nodes = read_nodes(reader), 0b100;
    if (key == "policies") return out.policies = read_policies(reader), 0b1000;
    return kUnknown;
  }));
  return out;
}

Result<std::vector<ConfigureRequest>> in_parts(const ConfigureRequest& whole) {
  Parts parts;
  for (const ExpectedNode& node : whole.nodes) parts.add(&ConfigureRequest::nodes, kConfiguredNodes, node);
  for (const auto& policy : whole.policies)
    parts.add(&ConfigureRequest::policies, kConfiguredPolicies, policy);
  std::vector<ConfigureRequest> out = parts.take();
  if (out.size() > kConfiguredParts) return fail(Errc::limit_exceeded, "records of one NMM's nodes");
  return out;
}

}  // namespace akm::protocol
