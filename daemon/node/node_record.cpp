#include "daemon/node/node_record.h"

#include <algorithm>
#include <string_view>

#include "daemon/protocol/asr_codec.h"
#include "daemon/protocol/cbor.h"
#include "daemon/protocol/limits.h"
#include "daemon/protocol/suite.h"
#include "daemon/service/erase_state.h"

namespace akm::node {
namespace {

using protocol::CborReader;
using protocol::CborWriter;
namespace limits = protocol::limits;

constexpr std::string_view kRecordName = "node";
constexpr std::string_view kReceiptName = "receipt-key";

// The bit of each key that must be there.
enum Field : unsigned {
  kHardware = 1U << 0,
  kNmm = 1U << 1,
  kNode = 1U << 2,
  kState = 1U << 3,
  kSuite = 1U << 4,
  kAsrId = 1U << 5,
  kNmmId = 1U << 6,
  kPolicy = 1U << 7,
  kReport = 1U << 8,
  kSerial = 1U << 9,
  kUseId = 1U << 10,
  kNodeId = 1U << 11,
  kEndpoints = 1U << 12,
  kAll = (1U << 13) - 1,
};

template <std::size_t N>
void read_bytes(CborReader& reader, std::array<std::uint8_t, N>& out) {
  const auto bytes = reader.bytes(N, N);
  std::ranges::copy(bytes, out.begin());
}

NodeState read_state(CborReader& reader) {
  const std::string_view name = reader.text(32);
  for (const NodeState state : {NodeState::provisioned, NodeState::active, NodeState::quarantined}) {
    if (node_state_name(state) == name) return state;
  }
  reader.refuse("state");
  return NodeState::provisioned;
}

unsigned read_field(CborReader& reader, std::string_view key, NodeRecord& out) {
  protocol::ProvisioningIdentity& who = out.identity;
  if (key == "hw") return read_bytes(reader, out.hardware_value), kHardware;
  if (key == "nmm") return who.nmm_name = reader.text(limits::kNameBytes), kNmm;
  if (key == "node") return who.node_name = reader.text(limits::kNameBytes), kNode;
  if (key == "state") return out.state = read_state(reader), kState;
  if (key == "suite") {
    const auto suite = protocol::parse_suite(reader.unsigned_integer(UINT16_MAX));
    if (suite) who.suite = *suite;
    if (!suite) reader.refuse("suite");
    return kSuite;
  }
  if (key == "asr_id") return who.asr_id = reader.unsigned_integer(), kAsrId;
  if (key == "nmm_id") return who.nmm_id = reader.unsigned_integer(), kNmmId;
  if (key == "policy") return who.policy = protocol::read_policy(reader), kPolicy;
  if (key == "report") {
    const auto bytes = reader.bytes(kPendingReportBytes);
    out.pending_report.assign(bytes.begin(), bytes.end());
    return kReport;
  }
  if (key == "serial")
    return who.serial = static_cast<std::uint32_t>(reader.unsigned_integer(UINT32_MAX)), kSerial;
  if (key == "use_id") return read_bytes(reader, out.use_id), kUseId;
  if (key == "node_id") return who.node_id = reader.unsigned_integer(), kNodeId;
  if (key == "endpoints") {
    for (std::size_t n = reader.array(limits::kEndpointsPerMember); n > 0 && reader.ok(); --n) {
      who.nmm_endpoints.emplace_back(reader.text(limits::kEndpointTextBytes));
    }
    return kEndpoints;
  }
  if (key == "rehome") return out.rehome_asked = reader.boolean(), 0;
  if (key == "sources") return out.sources = protocol::read_sources(reader), 0;
  reader.skip();
  return 0;
}

}  // namespace

std::vector<std::uint8_t> NodeRecord::encode() const {
  CborWriter writer;
  writer.map(15);  // shorter keys first, then by bytes
  writer.text("hw");
  writer.bytes(hardware_value);
  writer.text("nmm");
  writer.text(identity.nmm_name);
  writer.text("node");
  writer.text(identity.node_name);
  writer.text("state");
  writer.text(node_state_name(state));
  writer.text("suite");
  writer.unsigned_integer(static_cast<std::uint16_t>(identity.suite));
  writer.text("asr_id");
  writer.unsigned_integer(identity.asr_id);
  writer.text("nmm_id");
  writer.unsigned_integer(identity.nmm_id);
  writer.text("policy");
  protocol::write_policy(writer, identity.policy);
  writer.text("rehome");
  writer.boolean(rehome_asked);
  writer.text("report");
  writer.bytes(pending_report);
  writer.text("serial");
  writer.unsigned_integer(identity.serial);
  writer.text("use_id");
  writer.bytes(use_id);
  writer.text("node_id");
  writer.unsigned_integer(identity.node_id);
  writer.text("sources");
  protocol::write_sources(writer, sources);
  writer.text("endpoints");
  writer.array(identity.nmm_endpoints.size());
  for (const std::string& endpoint : identity.nmm_endpoints) writer.text(endpoint);
  return writer.take();
}

Result<NodeRecord> NodeRecord::decode(std::span<const std::uint8_t> bytes) {
  CborReader reader(bytes);
  NodeRecord out;
  unsigned seen = 0;
  for (std::size_t pairs = reader.map(); pairs > 0 && reader.ok(); --pairs) {
    const std::string_view key = reader.key();
    seen |= read_field(reader, key, out);
  }
  const bool whole = reader.finish() && seen == kAll && out.identity.asr_id != 0 && out.identity.node_id != 0;
  if (!whole) return fail(Errc::state_corrupt, std::string(kRecordName));
  return out;
}

std::vector<std::uint8_t> BundleLeftover::encode() const {
  CborWriter writer;
  writer.array(4);
  writer.bytes(digest);
  writer.bytes(use_id);
  writer.text(path);
  writer.text(receipt);
  return writer.take();
}

Result<BundleLeftover> BundleLeftover::decode(std::span<const std::uint8_t> bytes) {
  CborReader reader(bytes);
  BundleLeftover out;
  if (reader.array(4) != 4) reader.refuse("leftover");
  read_bytes(reader, out.digest);
  read_bytes(reader, out.use_id);
  out.path = reader.text(kLeftoverPathBytes);
  out.receipt = reader.text(kLeftoverReceiptBytes);
  if (!reader.finish()) return fail(Errc::state_corrupt, std::string(service::kBundleLeftRecord));
  return out;
}

Result<std::optional<NodeRecord>> NodeRecords::load() {
  const auto stored = store_.read(kRecordName);
  if (!stored && stored.error().code == Errc::not_found) return std::optional<NodeRecord>();
  if (!stored) return std::unexpected(stored.error());
  AKM_ASSIGN(NodeRecord record, NodeRecord::decode(stored->reveal()));
  return std::optional(std::move(record));
}

Status NodeRecords::save(const NodeRecord& record) {
  return store_.write(kRecordName, record.encode());
}

Status NodeRecords::erase() {
  const Status key = store_.remove(kReceiptName);
  const Status record = store_.remove(kRecordName);
  return !record || key || key.error().code == Errc::not_found ? record : key;
}

Result<protocol::ReceiptKey> NodeRecords::receipt_key() {
  AKM_ASSIGN(const SecretBuffer stored, store_.read(kReceiptName));
  if (stored.size() != sizeof(protocol::Digest32))
    return fail(Errc::state_corrupt, std::string(kReceiptName));
  return protocol::ReceiptKey::copy_of(stored.reveal().first<sizeof(protocol::Digest32)>());
}

Status NodeRecords::save_receipt_key(const protocol::ReceiptKey& key) {
  return store_.write(kReceiptName, key.reveal());
}

Status NodeRecords::erase_damaged() {
  AKM_ASSIGN(const auto names, store_.list());
  Status first;
  for (const std::string& name : names) {
    if (!name.starts_with(store::kDamagedPrefix)) continue;
    if (const Status removed = store_.remove(name); !removed && first) first = removed;
  }
  return first;
}

Result<std::vector<protocol::SingleUseId>> NodeRecords::used() {
  std::vector<protocol::SingleUseId> out;
  const auto stored = store_.read(service::kUsedBundlesRecord);
  if (!stored && stored.error().code == Errc::not_found) return out;
  if (!stored) return std::unexpected(stored.error());
  auto rest = stored->reveal();
  if (rest.size() % protocol::kSingleUseIdBytes != 0)
    return fail(Errc::state_corrupt, std::string(service::kUsedBundlesRecord));
  for (; !rest.empty(); rest = rest.subspan(protocol::kSingleUseIdBytes)) {
    std::ranges::copy(rest.first(protocol::kSingleUseIdBytes), out.emplace_back().begin());
  }
  return out;
}

Result<bool> NodeRecords::was_used(const protocol::SingleUseId& id) {
  AKM_ASSIGN(const auto ids, used());
  return std::ranges::find(ids, id) != ids.end();
}

Status NodeRecords::add_used(const protocol::SingleUseId& id) {
  AKM_ASSIGN(auto ids, used());
  if (std::ranges::find(ids, id) != ids.end()) return {};
  if (ids.size() >= kUsedBundles) ids.erase(ids.begin());
  ids.push_back(id);
  return write_used(ids);
}

Status NodeRecords::remove_used(const protocol::SingleUseId& id) {
  AKM_ASSIGN(auto ids, used());
  std::erase(ids, id);
  return write_used(ids);
}

Status NodeRecords::write_used(const std::vector<protocol::SingleUseId>& ids) {
  std::vector<std::uint8_t> bytes;
  for (const auto& one : ids) bytes.insert(bytes.end(), one.begin(), one.end());
  return store_.write(service::kUsedBundlesRecord, bytes);
}

Result<std::optional<BundleLeftover>> NodeRecords::leftover() {
  const auto stored = store_.read(service::kBundleLeftRecord);
  if (!stored && stored.error().code == Errc::not_found) return std::optional<BundleLeftover>();
  if (!stored) return std::unexpected(stored.error());
  AKM_ASSIGN(BundleLeftover last, BundleLeftover::decode(stored->reveal()));
  return std::optional(std::move(last));
}

Status NodeRecords::save_leftover(const BundleLeftover& leftover) {
  return store_.write(service::kBundleLeftRecord, leftover.encode());
}

Status NodeRecords::erase_leftover() {
  return store_.remove(service::kBundleLeftRecord);
}

}  // namespace akm::node
