#include "daemon/nmm/incident_track.h"

#include <algorithm>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/base/message_ids.h"
#include "daemon/policy/grading.h"
#include "daemon/policy/incident.h"

namespace akm::nmm {

std::map<std::string, std::string> with_incident(std::map<std::string, std::string> fields,
                                                 std::uint64_t incident) {
  if (incident != 0) fields.emplace("incident", hex_id(incident));
  return fields;
}

std::uint64_t IncidentTrack::admit(std::uint64_t named, protocol::NodeId reporter, std::string_view what,
                                   std::int64_t boottime_ns) {
  const auto known = ids_.find(named);
  // A breached node must not be able to write into the story of another one.
  if (named == 0 || (known != ids_.end() && known->second != reporter))
    named = policy::incident_id(reporter, what, boottime_ns);
  if (ids_.contains(named)) return named;
  // It pushes out its own, as long as it has any, and nobody else's.
  std::deque<std::uint64_t>& own = reporters_[reporter].ids;
  if (own.size() >= kIdsOfOne || (ids_.size() >= kRemembered && !own.empty())) {
    ids_.erase(own.front());
    own.pop_front();
  }
  if (ids_.size() >= kRemembered) ids_.erase(ids_.begin());
  ids_.emplace(named, reporter);
  own.push_back(named);
  return named;
}

bool IncidentTrack::has_room(protocol::NodeId reporter) {
  const Instant now = core_.now();
  Reporter& one = reporters_[reporter];
  const auto back =
      static_cast<std::uint32_t>(std::min<std::int64_t>((now - one.since) / kReportEvery, one.spent));
  one.since = one.spent == back ? now : one.since + back * kReportEvery;
  one.spent -= back;
  if (one.spent >= kReportsAtOnce) {
    if (one.left_out++ == 0)
      core_.announce("reports-left-out", 4, message_id::kStateDoubtful,
                     "A node reports more than the log has room for.", 0,
                     {{"node", core_.name_of(reporter)}, {"node_id", hex_id(reporter)}});
    return false;
  }
  ++one.spent;
  if (one.left_out != 0)
    core_.announce("reports-left-out", 5, message_id::kStateDoubtful,
                   "Reports of a node were decided on and not recorded.", 0,
                   {{"node", core_.name_of(reporter)},
                    {"node_id", hex_id(reporter)},
                    {"reports", std::to_string(std::exchange(one.left_out, 0))}});
  return true;
}

namespace {

/// Names by which the log tells whose story a record belongs to, and who has which keys: a node may not say
/// these.
bool is_ours(std::string_view name) {
  for (const std::string_view one :
       {"incident", "node", "node_id", "reported_by", "class", "grade", "generation", "epoch",
        "breach_boottime_ns", "actions", "not_done", "reason"}) {
    if (name == one) return true;
  }
  return name.starts_with("member.") || name.starts_with("lacks.") || name.starts_with("subject.");
}

bool is_outcome(std::string_view text) {
  return text == policy::outcome_name(policy::Outcome::succeeded) ||
         text == policy::outcome_name(policy::Outcome::refused);
}

}  // namespace

std::uint64_t IncidentTrack::received(const protocol::BreachReport& report, protocol::NodeId reporter,
                                      bool recorded) {
  const auto said = report.evidence.find("incident");
  const auto named = said == report.evidence.end() ? Result<std::uint64_t>(0) : parse_hex_id(said->second);
  const std::uint64_t incident =
      admit(named ? *named : 0, reporter, report.detection, static_cast<std::int64_t>(report.boottime_ns));
  if (!recorded) return incident;
  EventRecord event;
  event.name = "report-received";
  event.severity = 6;
  event.boottime_ns = core_.now().ns;
  // A member's words: the log takes nothing of them that is no clean text, and so much and no more.
  for (const auto& [name, value] : report.evidence) {
    if (!is_ours(name)) event.fields.emplace(name, value);
  }
  for (const auto& [name, value] : report.subject) {
    const bool whom = name == "node_id";  // it accuses; told as its word
    if ((whom || !is_ours(name)) && event.fields.emplace(name, value).second) event.subject.push_back(name);
  }
  const auto outcome = event.fields.find("outcome");
  if (outcome != event.fields.end() && !is_outcome(outcome->second))
    outcome->second = policy::outcome_name(policy::Outcome::unknown);
  const auto grade = policy::grade_of_severity(report.severity);
  event.fields.insert_or_assign("incident", hex_id(incident));
  event.fields.insert_or_assign("node", core_.name_of(reporter));
  event.fields.insert_or_assign("reported_by", hex_id(reporter));
  event.fields.insert_or_assign("class", report.detection);
  event.fields.insert_or_assign("grade",
                                std::string(policy::grade_name(grade ? *grade : policy::Grade::observe)));
  event.fields.insert_or_assign("breach_boottime_ns", std::to_string(report.boottime_ns));
  core_.events.note(std::move(event));
  return incident;
}

void IncidentTrack::concerns(protocol::NodeId node_id, std::uint64_t incident) {
  newest_[node_id] = incident;
}

std::uint64_t IncidentTrack::of(protocol::NodeId node_id) const {
  const auto at = newest_.find(node_id);
  if (at != newest_.end()) return at->second;
  return core_.audit == nullptr ? 0 : core_.audit->incident_of(hex_id(node_id));
}

void IncidentTrack::record(std::uint64_t incident, std::string name, protocol::AsrId asr_id,
                           std::map<std::string, std::string> fields) {
  EventRecord event;
  event.name = std::move(name);
  event.severity = 6;
  event.boottime_ns = core_.now().ns;
  event.asr_id = asr_id;
  event.fields = with_incident(std::move(fields), incident);
  core_.events.note(std::move(event));
}

void IncidentTrack::verdict(std::uint64_t incident, protocol::NodeId node_id,
                            const policy::AsrVerdict& verdict, bool observed) {
  record(incident, "breach-verdict", verdict.asr_id,
         {{"node", core_.name_of(node_id)},
          {"node_id", hex_id(node_id)},
          {"verdict", std::string(policy::verdict_name(verdict.verdict))},
          {"reason", verdict.reason},
          {"mode", observed ? "observe" : "enforce"}});
}

void IncidentTrack::sent(std::uint64_t incident, protocol::NodeId node_id, protocol::AsrId asr_id) {
  const AsrRecord* asr = core_.registry.asr(asr_id);
  if (asr == nullptr || asr->deleted || incident == 0) return;
  const auto& roster = asr->description.roster;
  std::map<std::string, std::string> fields{{"node", core_.name_of(node_id)},
                                            {"node_id", hex_id(node_id)},
                                            {"label", asr->description.label},
                                            {"generation", std::to_string(asr->description.generation)},
                                            {"members", std::to_string(roster.size())}};
  if (roster.size() <= kMembersOfARecord) {
    for (const protocol::Member& member : roster)
      fields.emplace("member." + core_.name_of(member.node_id), "");
  }
  record(incident, "generation-sent", asr_id, std::move(fields));
  if (followed_.size() >= kFollowed && !followed_.contains(asr_id)) followed_.erase(followed_.begin());
  followed_[asr_id] = {incident, asr->description.generation, node_id, {}};
}

void IncidentTrack::member_done(const RolloutPlan& plan, protocol::NodeId node_id, Instant now) {
  const auto at = followed_.find(plan.asr_id);
  if (at == followed_.end() || at->second.generation != plan.generation) return;
  at->second.gathered.emplace("member." + core_.name_of(node_id), std::to_string(now.ns));
  if (at->second.gathered.size() >= kMembersOfARecord) tell_members(plan.asr_id, at->second);
}

void IncidentTrack::tell_members(protocol::AsrId asr_id, Followed& followed) {
  if (followed.gathered.empty()) return;
  auto fields = std::exchange(followed.gathered, {});
  fields.emplace("generation", std::to_string(followed.generation));
  record(followed.incident, "members-switched", asr_id, std::move(fields));
}

void IncidentTrack::news(const GenerationNews& news) {
  const auto at = followed_.find(news.asr_id);
  if (at == followed_.end()) return;
  // A newer generation has taken its place, whatever it is for.
  if (at->second.generation != news.generation) {
    followed_.erase(at);
    return;
  }
  if (news.report.what == RolloutReport::What::switching) return;
  const bool last = news.report.what == RolloutReport::What::completed;
  tell_members(news.asr_id, at->second);
  if (!last && news.report.straggler_count == 0) return;  // the same again, in a moment
  std::map<std::string, std::string> fields{{"generation", std::to_string(news.generation)},
                                            {"members", std::to_string(news.members)},
                                            {"have", std::to_string(news.done)},
                                            {"lack", std::to_string(news.report.straggler_count)}};
  for (const Straggler& straggler : news.report.stragglers)
    fields.emplace("lacks." + core_.name_of(straggler.node_id), straggler.why);
  record(at->second.incident, last ? "generation-complete" : "generation-settled", news.asr_id,
         std::move(fields));
  if (last) followed_.erase(at);
}

void IncidentTrack::quarantined(protocol::NodeId node_id) {
  const std::uint64_t incident = of(node_id);
  if (incident == 0) return;
  record(incident, "quarantine-acknowledged", 0,
         {{"node", core_.name_of(node_id)}, {"node_id", hex_id(node_id)}});
}

}  // namespace akm::nmm
