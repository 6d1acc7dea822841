#include "daemon/nmm/registry.h"

#include <algorithm>

#include "daemon/base/cursor.h"
#include "daemon/base/hex.h"
#include "daemon/nmm/record_codec.h"

namespace akm::nmm {
namespace {

constexpr std::string_view kNodePrefix = "nmm-node-";
constexpr std::string_view kAsrPrefix = "nmm-asr-";
constexpr std::string_view kGonePrefix = "nmm-gone-";  // u64: the change that removed the relationship
constexpr std::size_t kGoneBytes = 8;
constexpr std::size_t kNamed = 16;

}  // namespace

std::string_view node_state_name(NodeState state) {
  switch (state) {
    case NodeState::prepared:
      return "prepared";
    case NodeState::active:
      return "active";
    case NodeState::silent:
      return "silent";
    case NodeState::quarantined:
      return "quarantined";
    case NodeState::retired:
      return "retired";
  }
  return "unknown";
}

bool NodeRecord::is_bound() const {
  return hardware_value != protocol::Digest32{};
}

std::string Registry::node_record_name(protocol::NodeId node_id) {
  return std::string(kNodePrefix) + hex_id(node_id);
}

std::string Registry::asr_record_name(protocol::AsrId asr_id) {
  return std::string(kAsrPrefix) + hex_id(asr_id);
}

bool Registry::is_record_name(std::string_view name) {
  return name.starts_with(kNodePrefix) || name.starts_with(kAsrPrefix);
}

std::set<std::uint32_t> secrets_in_use(const Registry& registry) {
  std::set<std::uint32_t> used;
  for (const auto& [node_id, node] : registry.nodes()) {
    if (node.is_gone()) continue;
    used.insert(node.root);
    if (node.prior) used.insert(node.prior->root);
  }
  return used;
}

Result<std::vector<std::string>> Registry::load() {
  std::vector<std::string> findings;
  AKM_ASSIGN(const auto names, store_.list());
  for (const std::string& name : names) {
    const bool is_node = name.starts_with(kNodePrefix);
    if (name.starts_with(kGonePrefix)) load_gone(name);
    if (!is_node && !name.starts_with(kAsrPrefix)) continue;
    const auto bytes = store_.read(name);
    if (!bytes) {
      findings.push_back("record " + name + " does not open: " + bytes.error().message());
      continue;
    }
    Status taken;
    if (is_node) {
      auto record = decode_node_record(bytes->reveal());
      if (record && node_record_name(record->node_id) == name) {
        take_over(std::move(*record));
      } else {
        taken = fail(Errc::state_corrupt);
      }
    } else {
      auto record = decode_asr_record(bytes->reveal());
      if (record && asr_record_name(record->description.id) == name) {
        take_over(std::move(*record));
      } else {
        taken = fail(Errc::state_corrupt);
      }
    }
    if (!taken) findings.push_back("record " + name + " is not one of this version; it is kept");
  }
  return findings;
}

const NodeRecord* Registry::node(protocol::NodeId node_id) const {
  const auto at = nodes_.find(node_id);
  return at == nodes_.end() ? nullptr : &at->second;
}

const NodeRecord* Registry::node_by_name(std::string_view name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : node(at->second);
}

const NodeRecord* Registry::node_by_provisioning_asr(protocol::AsrId asr_id) const {
  const auto at = by_provisioning_asr_.find(asr_id);
  return at == by_provisioning_asr_.end() ? nullptr : node(at->second);
}

const AsrRecord* Registry::asr(protocol::AsrId asr_id) const {
  const auto at = asrs_.find(asr_id);
  return at == asrs_.end() ? nullptr : &at->second;
}

const std::set<protocol::AsrId>& Registry::asrs_of(protocol::NodeId node_id) const {
  static const std::set<protocol::AsrId> kNone;
  const auto at = asrs_of_.find(node_id);
  return at == asrs_of_.end() ? kNone : at->second;
}

std::string Registry::names_of(const std::set<protocol::NodeId>& nodes) const {
  std::string names;
  std::size_t named = 0;
  for (const protocol::NodeId node_id : nodes) {
    const NodeRecord* known = node(node_id);
    if (known == nullptr || named++ >= kNamed) continue;
    names += (names.empty() ? "" : ", ") + known->name;
  }
  return names;
}

std::vector<protocol::NodeId> Registry::holders_of_unknown(protocol::AsrId asr_id) const {
  std::vector<protocol::NodeId> out;
  if (asrs_.contains(asr_id)) return out;
  for (const auto& [node_id, node] : nodes_) {
    if (node.reported.contains(asr_id)) out.push_back(node_id);
  }
  return out;
}

NodeRecord* Registry::volatile_part(protocol::NodeId node_id) {
  const auto at = nodes_.find(node_id);
  return at == nodes_.end() ? nullptr : &at->second;
}

void Registry::note_held(protocol::NodeId node_id, protocol::AsrId asr_id, std::uint32_t generation,
                         Instant now) {
  NodeRecord* node = volatile_part(node_id);
  if (node == nullptr) return;
  ReportedAsr& held = node->reported[asr_id];
  if (held.generation < generation) held = {generation, 1, 0, now, true};
}

void Registry::note_erased(protocol::NodeId node_id, protocol::AsrId asr_id) {
  NodeRecord* node = volatile_part(node_id);
  if (node == nullptr) return;
  if (asr_id == 0) {
    node->reported.clear();
  } else {
    node->reported.erase(asr_id);
  }
}

Status Registry::check(const NodeRecord& record) const {
  if (!nodes_.contains(record.node_id) && nodes_.size() >= kNodes) {
    return fail(Errc::limit_exceeded, "nodes of one NMM");
  }
  const NodeRecord* same_name = node_by_name(record.name);
  if (same_name != nullptr && same_name->node_id != record.node_id)
    return fail(Errc::already_exists, record.name);
  return {};
}

Status Registry::put(NodeRecord record) {
  Change change;
  change.node = std::move(record);
  return put(std::move(change));
}

Status Registry::put(AsrRecord record) {
  Change change;
  change.asrs.push_back(std::move(record));
  return put(std::move(change));
}

Status Registry::put(Change change) {
  if (change.node) change.node->change = next_change();
  for (AsrRecord& record : change.asrs) record.change = next_change();
  std::vector<std::vector<std::uint8_t>> encoded;
  encoded.reserve(change.asrs.size() + 1);  // the records point into it
  std::vector<store::NamedRecord> records;
  if (change.node) {
    AKM_TRY(check(*change.node));
    records.push_back(
        {node_record_name(change.node->node_id), encoded.emplace_back(encode_node_record(*change.node))});
  }
  records.insert(records.end(), change.others.begin(), change.others.end());
  std::size_t added = 0;
  for (const AsrRecord& record : change.asrs) {
    if (!asrs_.contains(record.description.id) && asrs_.size() + ++added > kAsrs) {
      return fail(Errc::limit_exceeded, "relationships of one NMM");
    }
    records.push_back(
        {asr_record_name(record.description.id), encoded.emplace_back(encode_asr_record(record))});
  }
  AKM_TRY(store_.write_all(records));
  if (change.node) take_over(std::move(*change.node));
  for (AsrRecord& record : change.asrs) take_over(std::move(record));
  return {};
}

void Registry::load_gone(const std::string& name) {
  const auto asr_id = parse_hex_id(std::string_view(name).substr(kGonePrefix.size()));
  const auto bytes = store_.read(name);
  if (!asr_id || !bytes || bytes->size() != kGoneBytes) return;
  const std::uint64_t change = Reader(bytes->reveal()).u64();
  gone_[*asr_id] = change;
  count_from(change);
}

/// Before the record goes: a crash in between leaves a relationship that is removed once more.
Status Registry::mark_gone(protocol::AsrId asr_id) {
  if (!marks_removals_ || !asrs_.contains(asr_id)) return {};
  const std::uint64_t change = next_change();
  std::array<std::uint8_t, kGoneBytes> bytes{};
  Writer(bytes).u64(change);
  AKM_TRY(store_.write(std::string(kGonePrefix) + hex_id(asr_id), bytes));
  gone_[asr_id] = change;
  return {};
}

void Registry::forget_gone(std::uint64_t upto) {
  std::erase_if(gone_, [&](const auto& entry) {
    return entry.second <= upto && store_.remove(std::string(kGonePrefix) + hex_id(entry.first)).has_value();
  });
}

Status Registry::clear() {
  AKM_ASSIGN(const auto names, store_.list());
  for (const std::string& name : names) {
    if (is_record_name(name) || name.starts_with(kGonePrefix)) AKM_TRY(store_.remove(name));
  }
  nodes_.clear();
  asrs_.clear();
  gone_.clear();
  by_name_.clear();
  by_provisioning_asr_.clear();
  asrs_of_.clear();
  return {};
}

Status Registry::remove_asr(protocol::AsrId asr_id) {
  AKM_TRY(mark_gone(asr_id));
  AKM_TRY(store_.remove(asr_record_name(asr_id)));
  const auto at = asrs_.find(asr_id);
  if (at == asrs_.end()) return {};
  unlink_roster(at->second);
  asrs_.erase(at);
  return {};
}

void Registry::take_over(NodeRecord record) {
  count_from(record.change);
  const auto old = nodes_.find(record.node_id);
  if (old != nodes_.end()) {
    by_name_.erase(old->second.name);
    by_provisioning_asr_.erase(old->second.provisioning_asr);
  }
  by_name_.emplace(record.name, record.node_id);
  by_provisioning_asr_.emplace(record.provisioning_asr, record.node_id);
  nodes_.insert_or_assign(record.node_id, std::move(record));
}

void Registry::unlink_roster(const AsrRecord& record) {
  for (const protocol::Member& member : record.description.roster) {
    const auto at = asrs_of_.find(member.node_id);
    if (at != asrs_of_.end()) at->second.erase(record.description.id);
  }
}

void Registry::take_over(AsrRecord record) {
  count_from(record.change);
  const auto old = asrs_.find(record.description.id);
  if (old != asrs_.end()) unlink_roster(old->second);
  if (!record.deleted) {
    for (const protocol::Member& member : record.description.roster) {
      asrs_of_[member.node_id].insert(record.description.id);
    }
  }
  asrs_.insert_or_assign(record.description.id, std::move(record));
}

}  // namespace akm::nmm
