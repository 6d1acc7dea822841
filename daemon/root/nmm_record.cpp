#include "daemon/root/nmm_record.h"

#include <algorithm>

#include "daemon/base/hex.h"
#include "daemon/protocol/body_fields.h"
#include "daemon/protocol/limits.h"
#include "daemon/protocol/root_body.h"

namespace akm::root {
namespace {

using protocol::CborReader;
using protocol::CborWriter;
namespace limits = protocol::limits;

constexpr std::string_view kPrefix = "root-nmm-";

std::string record_name(protocol::NodeId nmm_id) {
  return std::string(kPrefix) + hex_id(nmm_id);
}

std::set<std::uint32_t> read_numbers(CborReader& reader) {
  std::set<std::uint32_t> out;
  for (std::size_t left = reader.array(protocol::kRootSecrets); left > 0 && reader.ok(); --left)
    out.insert(protocol::read_u32(reader));
  return out;
}

void read_list_field(CborReader& reader, std::string_view key, NmmRecord& out) {
  if (key == "fenced") {
    for (std::size_t left = reader.array(kFencedPerNmm); left > 0 && reader.ok(); --left) {
      if (reader.array(2) != 2) reader.refuse("relationship and serial");
      const protocol::AsrId asr_id = reader.unsigned_integer();
      out.fenced[asr_id] = protocol::read_u32(reader);
    }
  } else if (key == "endpoints") {
    for (std::size_t left = reader.array(limits::kEndpointsPerMember); left > 0 && reader.ok(); --left)
      out.endpoints.emplace_back(reader.text(limits::kEndpointTextBytes, 1));
  } else {
    reader.skip();
  }
}

unsigned read_field(CborReader& reader, std::string_view key, NmmRecord& out) {
  if (key == "hw") return out.hardware_value = protocol::read_digest(reader), 0b1;
  if (key == "id") return out.nmm_id = reader.unsigned_integer(), 0b10;
  if (key == "asr") return out.asr_id = reader.unsigned_integer(), 0b100;
  if (key == "name") return out.name = reader.text(limits::kNameBytes, 1), 0b1000;
  if (key == "peer") return out.peer = reader.text(limits::kEndpointTextBytes), 0;
  if (key == "told") return out.told = protocol::read_digest(reader), 0;
  if (key == "floor") return out.incarnation_floor = protocol::read_u32(reader), 0;
  if (key == "issue") return out.issue_pending = reader.boolean(), 0;
  if (key == "state")
    return out.state = static_cast<NmmState>(reader.unsigned_integer(kNmmStateCount - 1)), 0b10000;
  if (key == "policy") return out.policy_pending = reader.boolean(), 0;
  if (key == "serial") return out.serial = protocol::read_u32(reader), 0b100000;
  if (key == "restore") return out.restore = reader.boolean(), 0;
  if (key == "secrets") return out.secrets = read_numbers(reader), 0b1000000;
  if (key == "version") return out.version = reader.text(protocol::kVersionTextBytes), 0;
  if (key == "activated") return out.activated_serial = protocol::read_u32(reader), 0;
  if (key == "prepared_at_s") return out.prepared_at_s = reader.unsigned_integer(), 0;
  return read_list_field(reader, key, out), 0;
}

}  // namespace

std::vector<std::uint8_t> NmmRecord::encode() const {
  CborWriter writer;
  writer.map(18);
  writer.text("hw");
  writer.bytes(hardware_value);
  writer.text("id");
  writer.unsigned_integer(nmm_id);
  writer.text("asr");
  writer.unsigned_integer(asr_id);
  writer.text("name");
  writer.text(name);
  writer.text("peer");
  writer.text(peer);
  writer.text("told");
  writer.bytes(told);
  writer.text("floor");
  writer.unsigned_integer(incarnation_floor);
  writer.text("issue");
  writer.boolean(issue_pending);
  writer.text("state");
  writer.unsigned_integer(static_cast<std::uint64_t>(state));
  writer.text("fenced");
  writer.array(fenced.size());
  for (const auto& [relationship, its_serial] : fenced) {
    writer.array(2);
    writer.unsigned_integer(relationship);
    writer.unsigned_integer(its_serial);
  }
  writer.text("policy");
  writer.boolean(policy_pending);
  writer.text("serial");
  writer.unsigned_integer(serial);
  writer.text("restore");
  writer.boolean(restore);
  writer.text("secrets");
  writer.array(secrets.size());
  for (const std::uint32_t number : secrets) writer.unsigned_integer(number);
  writer.text("version");
  writer.text(version);
  writer.text("activated");
  writer.unsigned_integer(activated_serial);
  writer.text("endpoints");
  writer.array(endpoints.size());
  for (const std::string& endpoint : endpoints) writer.text(endpoint);
  writer.text("prepared_at_s");
  writer.unsigned_integer(prepared_at_s);
  return writer.take();
}

Result<NmmRecord> NmmRecord::decode(std::span<const std::uint8_t> bytes) {
  CborReader reader(bytes);
  NmmRecord out;
  protocol::read_entry(reader, 0b1111111, [&](std::string_view key) { return read_field(reader, key, out); });
  if (reader.ok() && (out.nmm_id == 0 || out.asr_id == 0 || out.serial == 0)) reader.refuse("id or serial 0");
  if (const Status whole = reader.finish(); !whole)
    return fail(Errc::state_corrupt, "NMM: " + whole.error().detail);
  return out;
}

Status merge_into(NmmRecord& made, const NmmRecord& before, const NmmRecord& present) {
  if (present.serial != before.serial || present.asr_id != before.asr_id)
    return fail(Errc::busy, made.name + " was changed meanwhile");
  std::set<std::uint32_t> secrets = present.secrets;
  for (const std::uint32_t number : made.secrets) {
    if (!before.secrets.contains(number)) secrets.insert(number);
  }
  if (secrets.size() > protocol::kRootSecrets) return fail(Errc::limit_exceeded, "root secrets of an NMM");
  made.secrets = std::move(secrets);
  for (const auto& [asr_id, serial] : before.fenced) {
    if (!present.fenced.contains(asr_id)) made.fenced.erase(asr_id);
  }
  made.version = present.version;
  made.policy_pending = present.policy_pending;
  if (made.told == before.told) made.told = present.told;
  made.incarnation_floor = std::max(made.incarnation_floor, present.incarnation_floor);
  // The rest is of a machine: of one that was replaced it says nothing of the next.
  if (made.asr_id != before.asr_id) return {};
  made.activated_serial = present.activated_serial;
  made.state = present.state;
  made.peer = present.peer;
  made.issue_pending = present.issue_pending;
  made.restore = present.restore;
  return {};
}

Result<std::vector<std::string>> NmmBook::load() {
  std::vector<std::string> findings;
  AKM_ASSIGN(const auto names, store_.list());
  for (const std::string& name : names) {
    if (!name.starts_with(kPrefix)) continue;
    const auto bytes = store_.read(name);
    auto record = bytes ? NmmRecord::decode(bytes->reveal()) : std::unexpected(bytes.error());
    if (record && record_name(record->nmm_id) == name) {
      records_.insert_or_assign(record->nmm_id, std::move(*record));
    } else {
      findings.push_back("record " + name + " is of no use; it is kept");
    }
  }
  return findings;
}

const NmmRecord* NmmBook::find(protocol::NodeId nmm_id) const {
  const auto at = records_.find(nmm_id);
  return at == records_.end() ? nullptr : &at->second;
}

const NmmRecord* NmmBook::by_name(std::string_view name) const {
  const auto at =
      std::ranges::find_if(records_, [&](const auto& entry) { return entry.second.name == name; });
  return at == records_.end() ? nullptr : &at->second;
}

const NmmRecord* NmmBook::by_asr(protocol::AsrId asr_id) const {
  const auto at =
      std::ranges::find_if(records_, [&](const auto& entry) { return entry.second.asr_id == asr_id; });
  return at == records_.end() ? nullptr : &at->second;
}

const NmmRecord* NmmBook::by_fenced(protocol::AsrId asr_id) const {
  const auto at =
      std::ranges::find_if(records_, [&](const auto& entry) { return entry.second.fenced.contains(asr_id); });
  return at == records_.end() ? nullptr : &at->second;
}

Status NmmBook::put(NmmRecord record) {
  if (!records_.contains(record.nmm_id) && records_.size() >= kNmms)
    return fail(Errc::limit_exceeded, "NMMs of one Root");
  const NmmRecord* same_name = by_name(record.name);
  if (same_name != nullptr && same_name->nmm_id != record.nmm_id)
    return fail(Errc::already_exists, record.name);
  AKM_TRY(store_.write(record_name(record.nmm_id), record.encode()));
  records_.insert_or_assign(record.nmm_id, std::move(record));
  return {};
}

}  // namespace akm::root
