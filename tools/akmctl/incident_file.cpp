#include "tools/akmctl/incident_file.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

namespace akm::ctl {
namespace {

using nlohmann::json;

std::string text_of(const json& record, const char* name) {
  const auto found = record.find(name);
  if (found == record.end() || found->is_null()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::map<std::string, std::string> texts_of(const json& record, const char* name) {
  std::map<std::string, std::string> out;
  const auto found = record.find(name);
  if (found == record.end() || !found->is_object()) return out;
  for (const auto& [key, value] : found->items())
    out.emplace(key, value.is_string() ? value.get<std::string>() : value.dump());
  return out;
}

std::optional<policy::Outcome> outcome_by_name(const std::string& name) {
  for (const auto outcome :
       {policy::Outcome::succeeded, policy::Outcome::refused, policy::Outcome::unknown}) {
    if (policy::outcome_name(outcome) == name) return outcome;
  }
  return std::nullopt;
}

Result<IncidentRecord> record_of(const json& line) {
  IncidentRecord out;
  const std::string name = text_of(line, "class");
  const auto detection = policy::detection_by_name(name);
  if (!detection) return fail(Errc::malformed, "no such class: " + name);
  const auto outcome = outcome_by_name(text_of(line, "outcome"));
  if (!outcome) return fail(Errc::malformed, "outcome must be succeeded, refused or unknown");
  const auto grade = policy::grade_by_name(text_of(line, "grade"));
  if (!grade) return fail(Errc::malformed, "grade must be observe, evidence or critical");
  const auto time = line.find("boottime_ns");
  if (time == line.end() || !time->is_number_integer() || time->get<std::int64_t>() < 0)
    return fail(Errc::malformed, "boottime_ns must be a number");
  out.detection.detection = *detection;
  out.detection.outcome = *outcome;
  out.detection.boottime_ns = time->get<std::int64_t>();
  out.detection.subject = texts_of(line, "subject");
  out.detection.evidence = texts_of(line, "evidence");
  const auto uid = out.detection.subject.find("uid");
  const bool root = uid != out.detection.subject.end() && uid->second == "0";
  out.detection.privileged = root || text_of(line, "privileged") == "yes";
  if (const std::string weight = text_of(line, "weight"); !weight.empty()) {
    const auto most = policy::grade_by_name(weight);
    if (!most) return fail(Errc::malformed, "weight must be observe, evidence or critical");
    out.detection.at_most = *most;
  }
  out.recorded = *grade;
  // The NMM's record of it has the grade that the node gave, and nothing of what it came of.
  if (text_of(line, "event") == "report-received") out.detection.at_most = *grade;
  out.node = text_of(line, "node");
  out.asr = text_of(line, "asr");
  return out;
}

}  // namespace

Result<std::vector<IncidentRecord>> read_incident(const std::string& path) {
  std::ifstream in(path);
  if (!in) return fail(Errc::io_failed, path);
  std::vector<IncidentRecord> out;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (number > kIncidentLines || line.size() > kIncidentLineBytes) return fail(Errc::too_large, path);
    if (line.empty()) continue;
    const json parsed = json::parse(line, nullptr, false);
    if (!parsed.is_object())
      return fail(Errc::malformed, fmt::format("{}:{}: not a JSON object", path, number));
    // A decision, an answer, a seal; and a combination, which the policy that is tried makes anew.
    if (!parsed.contains("class") || !parsed.contains("outcome")) continue;
    if (parsed["class"] == policy::detection_name(policy::DetectionClass::combined_evidence)) continue;
    auto record = record_of(parsed);
    if (!record) return fail(Errc::malformed, fmt::format("{}:{}: {}", path, number, record.error().detail));
    out.push_back(std::move(*record));
  }
  if (in.bad()) return fail(Errc::io_failed, path);
  return out;
}

}  // namespace akm::ctl
