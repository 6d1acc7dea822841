#include "daemon/protocol/root_body.h"

#include <algorithm>

#include "daemon/protocol/body_fields.h"
#include "daemon/protocol/limits.h"

namespace akm::protocol {
namespace {

void write_secrets(CborWriter& writer, const std::vector<NumberedSecret>& secrets) {
  writer.text("secrets");
  writer.array(secrets.size());
  for (const NumberedSecret& one : secrets) {
    writer.array(2);
    writer.unsigned_integer(one.number);
    writer.bytes(one.secret.reveal());
  }
}

std::vector<NumberedSecret> read_secrets(CborReader& reader) {
  std::vector<NumberedSecret> out;
  std::size_t left = reader.array(kRootSecrets);
  if (reader.ok() && left == 0) reader.refuse("no provisioning root secret");
  for (; left > 0 && reader.ok(); --left) {
    if (reader.array(2) != 2) reader.refuse("number and secret");
    const std::uint32_t number = read_u32(reader);
    const auto bytes = reader.bytes(kProvisioningRootBytes, kProvisioningRootBytes);
    if (!reader.ok()) break;
    if (number <= (out.empty() ? 0 : out.back().number)) reader.refuse("numbers of secrets do not rise");
    out.push_back({number, ProvisioningRoot::copy_of(bytes.first<kProvisioningRootBytes>())});
  }
  return out;
}

template <typename Entry>
void write_entries(CborWriter& writer, std::string_view name, const std::vector<Entry>& entries) {
  writer.text(name);
  writer.array(entries.size());
  for (const Entry& entry : entries) write_reported(writer, entry);
}

std::vector<ReportedNode> read_nodes(CborReader& reader) {
  std::vector<ReportedNode> out;
  for (std::size_t left = reader.array(kReportedNodes); left > 0 && reader.ok(); --left)
    out.push_back(read_reported_node(reader));
  return out;
}

std::vector<ReportedAsr> read_asrs(CborReader& reader) {
  std::vector<ReportedAsr> out;
  for (std::size_t left = reader.array(kReportedAsrs); left > 0 && reader.ok(); --left)
    out.push_back(read_reported_asr(reader));
  return out;
}

}  // namespace

void write_reported(CborWriter& writer, const ReportedIncident& incident) {
  writer.map(6);
  writer.text("asr");
  writer.unsigned_integer(incident.asr_id);
  writer.text("name");
  writer.text(incident.name);
  writer.text("node");
  writer.unsigned_integer(incident.node_id);
  writer.text("facts");
  writer.text_map(incident.facts);
  writer.text("change");
  writer.unsigned_integer(incident.change);
  writer.text("severity");
  writer.unsigned_integer(incident.severity);
}

ReportedIncident read_reported_incident(CborReader& reader) {
  ReportedIncident out;
  read_entry(reader, 0b111111, [&](std::string_view key) -> unsigned {
    if (key == "asr") return out.asr_id = reader.unsigned_integer(), 0b1;
    if (key == "name") return out.name = reader.text(kFactNameBytes, 1), 0b10;
    if (key == "node") return out.node_id = reader.unsigned_integer(), 0b100;
    if (key == "facts") return out.facts = reader.text_map(kFactPairs, kFactTextBytes), 0b1000;
    if (key == "change") return out.change = reader.unsigned_integer(), 0b10000;
    if (key == "severity")
      return out.severity = static_cast<std::uint8_t>(reader.unsigned_integer(7)), 0b100000;
    return kUnknown;
  });
  return out;
}

SecretBuffer IssueRequest::encode() const {
  CborWriter writer(CborWriter::Memory::secret);
  writer.map(5);
  writer.text("nmm");
  writer.unsigned_integer(nmm_id);
  writer.text("restore");
  writer.boolean(restore);
  write_secrets(writer, secrets);
  writer.text("reported");
  writer.unsigned_integer(reported);
  writer.text("incarnation");
  writer.unsigned_integer(incarnation);
  return writer.take_secret();
}

Result<IssueRequest> IssueRequest::decode(BodyView body) {
  IssueRequest out;
  AKM_TRY(read_body(body, 0b11111, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "nmm") return out.nmm_id = reader.unsigned_integer(), 0b1;
    if (key == "restore") return out.restore = reader.boolean(), 0b10;
    if (key == "secrets") return out.secrets = read_secrets(reader), 0b100;
    if (key == "reported") return out.reported = reader.unsigned_integer(), 0b1000;
    if (key == "incarnation") return out.incarnation = read_u32(reader), 0b10000;
    return kUnknown;
  }));
  if (out.nmm_id == 0) return fail(Errc::malformed, "issue: id 0");
  return out;
}

SecretBuffer AdoptRequest::encode() const {
  CborWriter writer(CborWriter::Memory::secret);
  writer.map(2);
  writer.text("nmm");
  writer.unsigned_integer(nmm_id);
  write_secrets(writer, secrets);
  return writer.take_secret();
}

Result<AdoptRequest> AdoptRequest::decode(BodyView body) {
  AdoptRequest out;
  AKM_TRY(read_body(body, 0b11, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "nmm") return out.nmm_id = reader.unsigned_integer(), 0b1;
    if (key == "secrets") return out.secrets = read_secrets(reader), 0b10;
    return kUnknown;
  }));
  if (out.nmm_id == 0) return fail(Errc::malformed, "adopt: id 0");
  return out;
}

Body FenceRequest::encode() const {
  CborWriter writer;
  writer.map(1);
  writer.text("serial");
  writer.unsigned_integer(serial);
  return writer.take();
}

Result<FenceRequest> FenceRequest::decode(BodyView body) {
  FenceRequest out;
  AKM_TRY(read_body(body, 0b1, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "serial") return out.serial = read_u32(reader), 0b1;
    return kUnknown;
  }));
  return out;
}

Body ReportRequest::encode() const {
  CborWriter writer;
  writer.map(8);
  write_entries(writer, "asrs", asrs);
  writer.text("gone");
  writer.array(gone.size());
  for (const auto& [change, asr_id] : gone) {
    writer.array(2);
    writer.unsigned_integer(change);
    writer.unsigned_integer(asr_id);
  }
  writer.text("last");
  writer.unsigned_integer(last);
  writer.text("lost");
  writer.unsigned_integer(lost);
  writer.text("upto");
  writer.unsigned_integer(upto);
  write_entries(writer, "nodes", nodes);
  writer.text("roots");
  writer.array(roots.size());
  for (const std::uint32_t number : roots) writer.unsigned_integer(number);
  write_entries(writer, "incidents", incidents);
  return writer.take();
}

Result<ReportRequest> ReportRequest::decode(BodyView body) {
  ReportRequest out;
  const auto read_gone = [&](CborReader& reader) {
    for (std::size_t left = reader.array(kReportedGone); left > 0 && reader.ok(); --left) {
      if (reader.array(2) != 2) reader.refuse("report: change and id");
      const std::uint64_t change = reader.unsigned_integer();
      out.gone.emplace_back(change, reader.unsigned_integer());
    }
  };
  const auto read_roots = [&](CborReader& reader) {
    for (std::size_t left = reader.array(kRootSecrets); left > 0 && reader.ok(); --left)
      out.roots.insert(read_u32(reader));
  };
  const auto read_incidents = [&](CborReader& reader) {
    for (std::size_t left = reader.array(kReportedIncidents); left > 0 && reader.ok(); --left)
      out.incidents.push_back(read_reported_incident(reader));
  };
  AKM_TRY(read_body(body, 0xff, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "asrs") return out.asrs = read_asrs(reader), 0x1;
    if (key == "gone") return read_gone(reader), 0x2;
    if (key == "last") return out.last = reader.unsigned_integer(), 0x4;
    if (key == "lost") return out.lost = reader.unsigned_integer(), 0x8;
    if (key == "upto") return out.upto = reader.unsigned_integer(), 0x10;
    if (key == "nodes") return out.nodes = read_nodes(reader), 0x20;
    if (key == "roots") return read_roots(reader), 0x40;
    if (key == "incidents") return read_incidents(reader), 0x80;
    return kUnknown;
  }));
  return out;
}

Body ReportResponse::encode() const {
  CborWriter writer;
  writer.map(1);
  writer.text("acked");
  writer.unsigned_integer(acked);
  return writer.take();
}

Result<ReportResponse> ReportResponse::decode(BodyView body) {
  ReportResponse out;
  AKM_TRY(read_body(body, 0b1, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "acked") return out.acked = reader.unsigned_integer(), 0b1;
    return kUnknown;
  }));
  return out;
}

Body RecordsRequest::encode() const {
  CborWriter writer;
  writer.map(2);
  writer.text("kind");
  writer.unsigned_integer(static_cast<std::uint64_t>(kind));
  writer.text("after");
  writer.unsigned_integer(after);
  return writer.take();
}

Result<RecordsRequest> RecordsRequest::decode(BodyView body) {
  RecordsRequest out;
  AKM_TRY(read_body(body, 0b11, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "kind") return out.kind = static_cast<RecordsKind>(reader.unsigned_integer(1)), 0b1;
    if (key == "after") return out.after = reader.unsigned_integer(), 0b10;
    return kUnknown;
  }));
  return out;
}

Body RecordsResponse::encode() const {
  CborWriter writer;
  writer.map(3);
  write_entries(writer, "asrs", asrs);
  writer.text("more");
  writer.boolean(more);
  write_entries(writer, "nodes", nodes);
  return writer.take();
}

Result<RecordsResponse> RecordsResponse::decode(BodyView body) {
  RecordsResponse out;
  AKM_TRY(read_body(body, 0b111, [&](CborReader& reader, std::string_view key) -> unsigned {
    if (key == "asrs") return out.asrs = read_asrs(reader), 0b1;
    if (key == "more") return out.more = reader.boolean(), 0b10;
    if (key == "nodes") return out.nodes = read_nodes(reader), 0b100;
    return kUnknown;
  }));
  return out;
}

}  // namespace akm::protocol
