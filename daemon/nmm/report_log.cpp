#include "daemon/nmm/report_log.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/base/clean_text.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/nmm/reported.h"
#include "daemon/protocol/body_fields.h"

namespace akm::nmm {
namespace {

constexpr std::string_view kRecord = "nmm-incidents";
constexpr std::size_t kGoneEntryBytes = 20;

std::string bounded(std::string_view text, std::size_t most) {
  std::string out(text.substr(0, most));
  while (!out.empty() && !is_clean_text(out)) out.pop_back();  // a character that was cut in two
  return out;
}

/// One thing that changed, in the order of changes.
struct Entry {
  std::uint64_t change = 0;
  std::variant<const NodeRecord*, const AsrRecord*, protocol::AsrId, const protocol::ReportedIncident*> what;
};

std::size_t size_of(const protocol::ReportedIncident& incident) {
  protocol::CborWriter writer;
  protocol::write_reported(writer, incident);
  return writer.size();
}

/// Adds the entry to the report; its size.
struct Adder {
  protocol::ReportRequest& report;
  std::uint64_t change;

  std::size_t operator()(const NodeRecord* node) const {
    return report.nodes.emplace_back(reported(*node)).encode().size();
  }
  std::size_t operator()(const AsrRecord* asr) const {
    return report.asrs.emplace_back(reported(*asr)).encode().size();
  }
  std::size_t operator()(protocol::AsrId asr_id) const {
    report.gone.emplace_back(change, asr_id);
    return kGoneEntryBytes;
  }
  std::size_t operator()(const protocol::ReportedIncident* incident) const {
    return size_of(report.incidents.emplace_back(*incident));
  }
};
/// Takes the last one of its kind out again.
struct Remover {
  protocol::ReportRequest& report;
  void operator()(const NodeRecord*) const { report.nodes.pop_back(); }
  void operator()(const AsrRecord*) const { report.asrs.pop_back(); }
  void operator()(protocol::AsrId) const { report.gone.pop_back(); }
  void operator()(const protocol::ReportedIncident*) const { report.incidents.pop_back(); }
};

bool full(const protocol::ReportRequest& report) {
  return report.nodes.size() >= protocol::kReportedNodes || report.asrs.size() >= protocol::kReportedAsrs ||
         report.gone.size() >= protocol::kReportedGone ||
         report.incidents.size() >= protocol::kReportedIncidents;
}

std::vector<Entry> entries_after(const Registry& registry,
                                 const std::deque<protocol::ReportedIncident>& incidents,
                                 std::uint64_t acked) {
  std::vector<Entry> out;
  for (const auto& [node_id, node] : registry.nodes()) {
    if (node.change > acked) out.push_back({node.change, &node});
  }
  for (const auto& [asr_id, asr] : registry.asrs()) {
    if (asr.change > acked && !asr.deleted) out.push_back({asr.change, &asr});
    if (asr.change > acked && asr.deleted) out.push_back({asr.change, asr_id});
  }
  for (const auto& [asr_id, change] : registry.gone()) {
    if (change > acked) out.push_back({change, asr_id});
  }
  for (const protocol::ReportedIncident& incident : incidents) {
    if (incident.change > acked) out.push_back({incident.change, &incident});
  }
  std::ranges::sort(out, {}, &Entry::change);
  return out;
}

}  // namespace

void ReportLog::load() {
  const auto bytes = store_.read(kRecord);
  if (!bytes) return;
  protocol::CborReader reader(bytes->reveal());
  protocol::read_entry(reader, 0b11, [&](std::string_view key) -> unsigned {
    if (key == "list") {
      for (std::size_t left = reader.array(kIncidentsKept); left > 0 && reader.ok(); --left)
        incidents_.push_back(protocol::read_reported_incident(reader));
      return 0b1;
    }
    if (key == "lost") return lost_ = reader.unsigned_integer(), 0b10;
    return protocol::kUnknown;
  });
  if (!reader.finish()) {
    log::warning("the incidents that the Root had not heard of are of no use and are left out");
    incidents_.clear();
  }
  for (const auto& incident : incidents_) registry_.count_from(incident.change);
}

void ReportLog::save() {
  protocol::CborWriter writer;
  writer.map(2);
  writer.text("list");
  writer.array(incidents_.size());
  for (const auto& incident : incidents_) protocol::write_reported(writer, incident);
  writer.text("lost");
  writer.unsigned_integer(lost_);
  if (const Status stored = store_.write(kRecord, writer.take()); !stored)
    log::error("an incident could not be stored: " + stored.error().message());
}

void ReportLog::note(const EventRecord& event) {
  if (event.severity > kIncidentSeverity) return;
  protocol::ReportedIncident incident;
  incident.change = registry_.next_change();
  incident.name = bounded(event.name, protocol::kFactNameBytes);
  incident.severity = event.severity;
  incident.asr_id = event.asr_id;
  for (const auto& [name, value] : event.fields) {
    if (incident.facts.size() == protocol::kFactPairs) break;
    incident.facts.emplace(bounded(name, protocol::kFactNameBytes), bounded(value, protocol::kFactTextBytes));
  }
  const auto node_id = event.fields.find("node_id");
  if (node_id != event.fields.end()) {
    const auto id = parse_hex_id(node_id->second);
    incident.node_id = id ? *id : 0;
  }
  if (incidents_.size() >= kIncidentsKept) {
    incidents_.pop_front();
    ++lost_;
  }
  incidents_.push_back(std::move(incident));
  save();
}

std::size_t ReportLog::pending(std::uint64_t acked) const {
  return entries_after(registry_, incidents_, acked).size();
}

protocol::ReportRequest ReportLog::next(std::uint64_t acked) const {
  protocol::ReportRequest out;
  out.last = registry_.last_change();
  out.lost = lost_;
  out.upto = out.last;  // nothing is left: numbers of what has changed again since are done with too
  std::size_t size = 0;
  std::uint64_t taken = acked;
  for (const Entry& entry : entries_after(registry_, incidents_, acked)) {
    if (full(out)) {
      out.upto = taken;
      break;
    }
    const std::size_t more = std::visit(Adder{out, entry.change}, entry.what);
    if (size > 0 && size + more > protocol::kReportBytes) {
      std::visit(Remover{out}, entry.what);
      out.upto = taken;
      break;
    }
    size += more;
    taken = entry.change;
  }
  return out;
}

void ReportLog::acknowledged(std::uint64_t upto) {
  registry_.forget_gone(upto);
  const auto heard = std::erase_if(incidents_, [&](const auto& incident) { return incident.change <= upto; });
  if (heard == 0) return;
  lost_ = 0;
  save();
}

}  // namespace akm::nmm
