#include "tools/akmctl/incident_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "daemon/base/hex.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kMember = "member.";
constexpr std::string_view kLacks = "lacks.";
constexpr std::string_view kSubject = "subject.";
// A node's boot time that lies closer than this before the NMM's own is one of the same machine, or as good
// as.
constexpr std::int64_t kOneClockNs = 60'000'000'000;
// Wall clocks are corrected by less than this between two starts of a daemon of one boot.
constexpr std::int64_t kSameBeginNs = 10'000'000'000;
constexpr std::size_t kNamed = 16;
// Of a detection's record: what is said of it as a whole, and not its evidence.
constexpr std::array<std::string_view, 10> kSaid{"class",   "grade",    "outcome", "node",   "node_id",
                                                 "actions", "not_done", "reason",  "weight", "privileged"};

std::string line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string field(const AuditRecord& record, const char* name) {
  const auto at = record.fields.find(name);
  return at == record.fields.end() ? std::string() : at->second;
}

std::int64_t number(std::string_view text) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() ? out : 0;
}

Json record_json(const AuditRecord& record, const std::string& node) {
  Json out{{"number", record.number},
           {"event", record.name},
           {"incident", record.incident == 0 ? "" : hex_id(record.incident)},
           {"severity", record.severity},
           {"boottime_ns", record.boottime_ns},
           {"unix_ns", record.unix_ns},
           {"start", record.start},
           {"node", node},
           {"asr", record.asr_id == 0 ? "" : hex_id(record.asr_id)},
           {"generation", record.generation},
           {"epoch", record.epoch}};
  const bool detection = record.fields.contains("outcome");
  const char* rest = detection ? "evidence" : "fields";
  if (detection) out["subject"] = Json::object();
  out[rest] = Json::object();
  for (const auto& [name, value] : record.fields) {
    if (name.starts_with(kSubject)) {
      out["subject"][name.substr(kSubject.size())] = value;
    } else if (name.starts_with(kMember)) {
      out["members"][name.substr(kMember.size())] = number(value);
    } else if (name.starts_with(kLacks)) {
      out["lacks"][name.substr(kLacks.size())] = value;
    } else if (std::ranges::find(kSaid, name) != kSaid.end()) {
      out[name] = value;
    } else {
      out[rest][name] = value;
    }
  }
  return out;
}

/// One thing that happened, of a timeline.
struct Moment {
  std::int64_t boottime_ns = 0;
  std::string name;
  std::string facts;
  std::size_t order = 0;  // of writing
};

std::string facts_of(const AuditRecord& record) {
  std::string out;
  if (record.asr_id != 0) out += "asr=" + hex_id(record.asr_id);
  if (record.generation != 0)
    out += fmt::format("{}generation={}", out.empty() ? "" : " ", record.generation);
  for (const auto& [name, value] : record.fields) {
    if (name.starts_with(kMember) || value.empty()) continue;
    out += (out.empty() ? "" : " ") + name + "=" + value;
  }
  return out;
}

std::vector<Moment> moments_of(const std::vector<AuditRecord>& records) {
  std::vector<Moment> out;
  std::int64_t before = 0;
  for (const AuditRecord& record : records) {
    const std::int64_t seen = number(field(record, "breach_boottime_ns"));
    if (seen > 0 && seen != before && seen <= record.boottime_ns && record.boottime_ns - seen < kOneClockNs)
      out.push_back({seen, "kernel-saw-it", "as the node reported it"});
    before = seen > 0 ? seen : before;
    if (record.name != "members-switched") {
      out.push_back({record.boottime_ns, record.name, facts_of(record)});
      continue;
    }
    for (const auto& [name, value] : record.fields) {
      if (!name.starts_with(kMember)) continue;
      out.push_back({number(value), "member-switched",
                     fmt::format("{} asr={} generation={}", name.substr(kMember.size()),
                                 hex_id(record.asr_id), record.generation)});
    }
  }
  return out;
}

/// A few of them for people; `count` is how many there are.
std::string names_of(const auto& map, std::uint64_t count) {
  std::string out;
  std::size_t named = 0;
  for (const auto& [name, value] : map) {
    if (named == kNamed) break;
    out += (named++ == 0 ? "" : ", ") + name;
  }
  if (count > named) out += fmt::format("{}{} more", named == 0 ? "" : " and ", count - named);
  return out.empty() ? "nobody" : out;
}

/// Times since two boots are not compared. Between the clock of the boot and the wall clock lies when it
/// began.
bool of_one_boot(const std::vector<AuditRecord>& records) {
  for (std::size_t i = 1; i < records.size(); ++i) {
    const AuditRecord& one = records[i - 1];
    const AuditRecord& next = records[i];
    const std::int64_t apart = (next.unix_ns - next.boottime_ns) - (one.unix_ns - one.boottime_ns);
    if (next.start != one.start && (apart > kSameBeginNs || apart < -kSameBeginNs)) return false;
  }
  return true;
}

/// What its name says of a generation. The NMM's records name its members, a member's own only itself.
void tell_generation(const AuditRecord& record, const std::string& node, IncidentGeneration& out) {
  if (record.name == "generation-sent") {
    out.label = field(record, "label");
    out.members = static_cast<std::uint64_t>(number(field(record, "members")));
    out.lack_count = out.members;
    for (const auto& [name, value] : record.fields) {
      if (name.starts_with(kMember)) out.lack.emplace(name.substr(kMember.size()), "");
    }
  }
  if (record.name == "generation-switched")
    out.have.emplace(node.empty() ? "this node" : node, record.boottime_ns);
  for (const auto& [name, value] : record.fields) {
    if (record.name == "members-switched" && name.starts_with(kMember)) {
      out.have[name.substr(kMember.size())] = number(value);
      out.lack.erase(name.substr(kMember.size()));
    } else if (name.starts_with(kLacks)) {
      out.lack[name.substr(kLacks.size())] = value;
    }
  }
  const bool complete = record.name == "generation-complete";
  if (complete) out.lack.clear();
  // Not all are named: how many there are is a number of its own. What comes after it adds to it.
  if (complete || record.name == "generation-settled") {
    out.have_count = static_cast<std::uint64_t>(number(field(record, "have")));
    out.lack_count = static_cast<std::uint64_t>(number(field(record, "lack")));
  }
  out.have_count = std::max<std::uint64_t>(out.have_count, out.have.size());
  if (out.members != 0) out.lack_count = out.members - std::min(out.members, out.have_count);
}

}  // namespace

std::string json_of(const AuditRecord& record, const std::string& node) {
  return line(record_json(record, node));
}

std::string json_of(const IncidentSummary& incident) {
  return line({{"id", hex_id(incident.id)},
               {"class", incident.detection},
               {"grade", incident.grade},
               {"node", incident.node},
               {"state", incident.state},
               {"records", incident.records},
               {"first", incident.first},
               {"last", incident.last},
               {"boottime_ns", incident.boottime_ns},
               {"unix_ns", incident.unix_ns}});
}

std::string text_of(const AuditRecord& record) {
  std::string out = fmt::format("{:>8}  {:>14.6f}  {:<24}", record.number,
                                static_cast<double>(record.boottime_ns) / 1e9, record.name);
  if (record.incident != 0) out += "  incident=" + hex_id(record.incident);
  if (const std::string facts = facts_of(record); !facts.empty()) out += "  " + facts;
  return out;
}

std::vector<IncidentGeneration> IncidentView::generations() const {
  std::vector<IncidentGeneration> out;
  for (const AuditRecord& record : records) {
    const auto same = [&](const IncidentGeneration& one) {
      return one.asr_id == record.asr_id && one.generation == record.generation;
    };
    auto at = std::ranges::find_if(out, same);
    const bool begins = record.name == "generation-sent" || record.name == "generation-switched";
    if (begins && at == out.end()) {
      at = out.insert(out.end(), IncidentGeneration{});
      at->asr_id = record.asr_id;
      at->generation = record.generation;
    }
    if (at != out.end()) tell_generation(record, node, *at);
  }
  return out;
}

std::string IncidentView::text() const {
  if (records.empty()) return {};
  std::vector<Moment> moments = moments_of(records);
  // Else the order of writing is all there is.
  const bool one_boot = of_one_boot(records) &&
                        std::ranges::all_of(moments, [](const Moment& one) { return one.boottime_ns > 0; });
  if (one_boot) {
    for (std::size_t i = 0; i < moments.size(); ++i) moments[i].order = i;
    std::ranges::sort(moments, {}, [](const Moment& one) { return std::pair(one.boottime_ns, one.order); });
  }
  const std::int64_t first = moments.front().boottime_ns;
  std::string out = fmt::format("Incident {}\n", hex_id(id));
  for (const Moment& one : moments) {
    out += fmt::format("  {:>+14.3f} ms  {:<24}  {}\n", static_cast<double>(one.boottime_ns - first) / 1e6,
                       one.name, one.facts);
  }
  for (const IncidentGeneration& one : generations()) {
    const std::string label = one.label.empty() ? hex_id(one.asr_id) : one.label;
    out += one.members == 0
               ? fmt::format("Generation {} of {}: {} has it", one.generation, label,
                             names_of(one.have, one.have_count))
               : fmt::format("Generation {} of {}: {} of {} members have it ({})", one.generation, label,
                             one.have_count, one.members, names_of(one.have, one.have_count));
    const std::int64_t last =
        one.have.empty()
            ? 0
            : std::ranges::max_element(one.have, {}, [](const auto& e) { return e.second; })->second;
    if (last > 0) out += fmt::format(", the last at {:+.3f} ms", static_cast<double>(last - first) / 1e6);
    if (one.lack_count > 0) out += fmt::format("; lacking: {}", names_of(one.lack, one.lack_count));
    out += "\n";
  }
  return out;
}

std::string IncidentView::json() const {
  Json out{{"id", hex_id(id)}, {"records", Json::array()}, {"generations", Json::array()}};
  for (const AuditRecord& record : records) out["records"].push_back(record_json(record, node));
  for (const IncidentGeneration& one : generations()) {
    Json have = Json::object();
    for (const auto& [name, at] : one.have) have[name] = at;
    Json lack = Json::object();
    for (const auto& [name, why] : one.lack) lack[name] = why;
    out["generations"].push_back({{"asr", hex_id(one.asr_id)},
                                  {"label", one.label},
                                  {"generation", one.generation},
                                  {"members", one.members},
                                  {"have_count", one.have_count},
                                  {"lack_count", one.lack_count},
                                  {"have", have},
                                  {"lack", lack}});
  }
  return line(out);
}

}  // namespace akm::ctl
