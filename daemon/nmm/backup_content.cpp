#include "daemon/nmm/backup_content.h"

#include <algorithm>
#include <set>

#include "daemon/base/hex.h"
#include "daemon/nmm/node_policies.h"
#include "daemon/nmm/registry.h"
#include "daemon/protocol/body_fields.h"
#include "daemon/service/maintenance.h"

namespace akm::nmm {
namespace {

using protocol::CborReader;
using protocol::CborWriter;

void write_policies(CborWriter& writer, const std::map<std::string, protocol::DetectionPolicy>& policies) {
  writer.array(policies.size());
  for (const auto& [scope, policy] : policies) {
    writer.array(2);
    writer.text(scope);
    writer.bytes(policy.encode());
  }
}

std::map<std::string, protocol::DetectionPolicy> read_policies(CborReader& reader) {
  std::map<std::string, protocol::DetectionPolicy> out;
  for (std::size_t left = reader.array(kScopedPolicies); left > 0 && reader.ok(); --left) {
    if (reader.array(2) != 2) reader.refuse("scope and policy");
    std::string scope(reader.text(service::kMaintenanceScopeBytes, 1));
    auto policy = protocol::DetectionPolicy::decode(reader.bytes(protocol::limits::kRequestBodyBytes));
    if (!policy) reader.refuse("a policy on detections");
    if (policy) out.emplace(std::move(scope), std::move(*policy));
  }
  return out;
}

template <typename Entry>
bool ids_rise(const std::vector<Entry>& entries) {
  return std::ranges::adjacent_find(entries, std::greater_equal{}, &Entry::id) == entries.end() &&
         (entries.empty() || entries.front().id != 0);
}

Status check_nodes(const BackupContent& content, std::set<protocol::NodeId>& known) {
  std::set<std::uint32_t> numbers;
  for (const protocol::NumberedSecret& one : content.issue.secrets) numbers.insert(one.number);
  std::set<std::string> names;
  for (const protocol::ReportedNode& node : content.nodes) {
    const bool gone = node.state == static_cast<std::uint8_t>(NodeState::retired);
    if (!gone && !numbers.contains(node.newest.root))
      return fail(Errc::malformed, "the backup lacks the secret of node " + hex_id(node.id));
    if (!names.insert(node.name).second) return fail(Errc::malformed, "two nodes of one name");
    known.insert(node.id);
  }
  return {};
}

Status check(const BackupContent& content) {
  if (!ids_rise(content.nodes) || !ids_rise(content.asrs))
    return fail(Errc::malformed, "ids of a backup that do not rise");
  std::set<protocol::NodeId> known;
  AKM_TRY(check_nodes(content, known));
  for (const protocol::ReportedAsr& asr : content.asrs) {
    const auto member = [&known](const auto& entry) { return known.contains(entry.second); };
    if (!std::ranges::all_of(asr.roster, member))
      return fail(Errc::malformed, "a member without a record in " + hex_id(asr.id));
  }
  return {};
}

}  // namespace

protocol::Body BackupContent::encode_records() const {
  CborWriter writer;
  writer.map(5);
  writer.text("asrs");
  writer.array(asrs.size());
  for (const protocol::ReportedAsr& asr : asrs) protocol::write_reported(writer, asr);
  writer.text("made");
  writer.unsigned_integer(made_s);
  writer.text("name");
  writer.text(name);
  writer.text("nodes");
  writer.array(nodes.size());
  for (const protocol::ReportedNode& node : nodes) protocol::write_reported(writer, node);
  writer.text("policies");
  write_policies(writer, policies);
  return writer.take();
}

Result<BackupContent> BackupContent::decode(protocol::BodyView secrets, protocol::BodyView records) {
  BackupContent out;
  AKM_ASSIGN(out.issue, protocol::IssueRequest::decode(secrets));
  AKM_TRY(protocol::read_body(records, 0b11111, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "asrs") {
      for (std::size_t left = reader.array(kAsrs); left > 0 && reader.ok(); --left)
        out.asrs.push_back(protocol::read_reported_asr(reader));
      return 0b1;
    }
    if (key == "made") return out.made_s = reader.unsigned_integer(), 0b10;
    if (key == "name") return out.name = reader.text(protocol::limits::kNameBytes), 0b100;
    if (key == "nodes") {
      for (std::size_t left = reader.array(kNodes); left > 0 && reader.ok(); --left)
        out.nodes.push_back(protocol::read_reported_node(reader));
      return 0b1000;
    }
    if (key == "policies") return out.policies = read_policies(reader), 0b10000;
    return protocol::kUnknown;
  }));
  AKM_TRY(check(out));
  return out;
}

}  // namespace akm::nmm
