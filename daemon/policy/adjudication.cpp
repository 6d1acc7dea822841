#include "daemon/policy/adjudication.h"

#include <algorithm>
#include <optional>

namespace akm::policy {
namespace {

constexpr std::size_t kRemembered = 64;         // per ASR
constexpr std::size_t kAsrsRemembered = 16384;  // as many as an engine has relationships
constexpr std::size_t kNeverEvict = 4096;
constexpr std::uint32_t kMaxWindowS = 86400;

bool is_critical(const ActionableEvidence& evidence) {
  return evidence.grade() == Grade::critical;
}

/// Why an eviction may not be made, or none.
std::optional<std::string> objection(std::uint64_t node_id, const AsrFacts& asr,
                                     const AdjudicationPolicy& policy, const ActionHistory& history,
                                     Instant now) {
  if (policy.never_evict.contains(node_id)) return "the node is on the never-evict list";
  if (history.recent(asr.asr_id, Verdict::evict, now, policy.window_s) >= policy.evictions_per_window) {
    return "too many evictions in the window";
  }
  if (history.recent(kDomain, Verdict::evict, now, policy.window_s) >= policy.domain_evictions_per_window) {
    return "too many evictions in the domain in the window";
  }
  if (asr.members == kPair) return std::nullopt;
  if (asr.members == 0 || asr.members - 1 < policy.quorum_floor) {
    return "fewer than quorum_floor members would remain";
  }
  return std::nullopt;
}

AsrVerdict rekey_if_allowed(const AsrFacts& asr, std::string why, const AdjudicationPolicy& policy,
                            const ActionHistory& history, Instant now) {
  if (history.recent(asr.asr_id, Verdict::rekey, now, policy.window_s) >= policy.rekeys_per_window) {
    return {asr.asr_id, Verdict::log, why + "; too many rekeys in the window"};
  }
  return {asr.asr_id, Verdict::rekey, std::move(why)};
}

AsrVerdict decide_one(const BreachFacts& facts, const ActionableEvidence& evidence, const AsrFacts& asr,
                      const AdjudicationPolicy& policy, const ActionHistory& history, Instant now) {
  if (!is_critical(evidence)) {
    if (policy.on_evidence != Verdict::rekey) return {asr.asr_id, Verdict::log, "evidence is recorded"};
    return rekey_if_allowed(asr, "evidence", policy, history, now);
  }
  if (policy.on_critical == Verdict::log) return {asr.asr_id, Verdict::log, "critical: the policy says log"};
  if (policy.on_critical == Verdict::rekey)
    return rekey_if_allowed(asr, "critical: the policy says rekey", policy, history, now);
  if (auto why_not = objection(facts.node_id, asr, policy, history, now)) {
    return rekey_if_allowed(asr, "critical, not evicted: " + *why_not, policy, history, now);
  }
  return {asr.asr_id, Verdict::evict, "critical: " + std::string(detection_name(evidence.detection()))};
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::log:
      return "log";
    case Verdict::rekey:
      return "rekey";
    case Verdict::evict:
      return "evict";
  }
  return "unknown";
}

Status AdjudicationPolicy::check() const {
  if (on_evidence == Verdict::evict) return fail(Errc::config_invalid, "on_evidence: evidence cannot evict");
  if (quorum_floor < 2) return fail(Errc::config_invalid, "quorum_floor must be 2 or more");
  if (never_evict.size() > kNeverEvict)
    return fail(Errc::config_invalid, "never_evict: more than 4096 nodes");
  if (evictions_per_window > kRemembered || rekeys_per_window > kRemembered ||
      domain_evictions_per_window > kRemembered) {
    return fail(Errc::config_invalid, "evictions and rekeys per window: at most 64");
  }
  if (window_s == 0 || window_s > kMaxWindowS)
    return fail(Errc::config_invalid, "window must be 1 to 86400 s");
  return {};
}

void ActionHistory::record(std::uint64_t asr_id, Verdict verdict, Instant now) {
  if (verdict == Verdict::log) return;
  if (!actions_.contains(asr_id) && actions_.size() >= kAsrsRemembered) return;
  std::deque<Action>& actions = actions_[asr_id];
  if (actions.size() == 2 * kRemembered) actions.pop_front();
  actions.push_back({verdict, now});
}

std::size_t ActionHistory::recent(std::uint64_t asr_id, Verdict verdict, Instant now,
                                  std::uint32_t window_s) const {
  const auto found = actions_.find(asr_id);
  if (found == actions_.end()) return 0;
  const Duration window = std::chrono::seconds(window_s);
  return static_cast<std::size_t>(std::ranges::count_if(found->second, [&](const Action& action) {
    return action.verdict == verdict && now - action.at < window;
  }));
}

std::vector<ActionHistory::Entry> ActionHistory::entries() const {
  std::vector<Entry> out;
  for (const auto& [asr_id, actions] : actions_) {
    for (const Action& one : actions) out.push_back({asr_id, one.verdict, one.at});
  }
  std::ranges::stable_sort(out, {}, &Entry::at);
  return out;
}

std::vector<AsrVerdict> decide(const BreachFacts& facts, const std::vector<AsrFacts>& asrs,
                               const AdjudicationPolicy& policy, const ActionHistory& history, Instant now) {
  std::vector<AsrVerdict> verdicts;
  verdicts.reserve(asrs.size());
  const auto evidence = ActionableEvidence::from(facts.detection, facts.grade);
  for (const AsrFacts& asr : asrs) {
    AsrVerdict verdict{asr.asr_id, Verdict::log, "an observation is only recorded"};
    if (evidence) verdict = decide_one(facts, *evidence, asr, policy, history, now);
    if (policy.mode == Mode::observe && verdict.verdict != Verdict::log) {
      verdict.reason =
          "mode observe: would " + std::string(verdict_name(verdict.verdict)) + " (" + verdict.reason + ")";
      verdict.verdict = Verdict::log;
    }
    verdicts.push_back(std::move(verdict));
  }
  return verdicts;
}

}  // namespace akm::policy
