#include "tools/akmctl/simulation.h"

#include <algorithm>
#include <map>

namespace akm::ctl {
namespace {

using policy::Response;

bool reports(const policy::Decision& decision) {
  return std::ranges::find(decision.actions, Response::report) != decision.actions.end();
}

/// The NMM of the simulation: one relationship with so many members.
class Nmm {
 public:
  Nmm(const policy::AdjudicationPolicy& policy, std::size_t members) : policy_(policy), members_(members) {}

  policy::AsrVerdict hears(const IncidentRecord& record, const policy::Judged& judged, Instant now) {
    constexpr std::uint64_t kAsr = 1;
    if (evicted_.contains(record.node))
      return {kAsr, policy::Verdict::log, "the node is quarantined already"};
    if (members_ - evicted_.size() < policy::kPair)
      return {kAsr, policy::Verdict::log, "the relationship has ended"};
    // Contradictions tell of another member; what the NMM makes of one member's word is not decided here.
    if (judged.detection.subject.contains("node_id"))
      return {kAsr, policy::Verdict::log, "one member's word about another"};
    const policy::BreachFacts facts{0, judged.detection.detection, judged.decision.grade};
    policy::AsrVerdict verdict =
        policy::decide(facts, {{kAsr, members_ - evicted_.size()}}, policy_, history_, now).front();
    history_.record(kAsr, verdict.verdict, now);
    if (verdict.verdict == policy::Verdict::evict) {
      history_.record(policy::kDomain, verdict.verdict, now);
      evicted_.insert(record.node);
    }
    return verdict;
  }

 private:
  const policy::AdjudicationPolicy& policy_;
  std::size_t members_;
  policy::ActionHistory history_;
  std::set<std::string> evicted_;
};

}  // namespace

std::vector<SimulatedStep> simulate(const std::vector<IncidentRecord>& records,
                                    const policy::NodePolicy& policy,
                                    const policy::AdjudicationPolicy& recovery, std::size_t members) {
  std::vector<SimulatedStep> out;
  std::map<std::string, policy::Responder> nodes;
  Nmm nmm(recovery, members);
  for (const IncidentRecord& record : records) {
    const Instant now{record.detection.boottime_ns};
    auto& responder = nodes.try_emplace(record.node, policy).first->second;
    const IncidentRecord* of = &record;
    for (policy::Judged& judged : responder.judge(record.detection, now)) {
      SimulatedStep step{.record = of, .judged = std::move(judged)};
      if (reports(step.judged.decision)) {
        const policy::AsrVerdict verdict = nmm.hears(record, step.judged, now);
        step.verdict = policy::verdict_name(verdict.verdict);
        step.why = verdict.reason;
      }
      out.push_back(std::move(step));
      of = nullptr;
    }
  }
  return out;
}

}  // namespace akm::ctl
