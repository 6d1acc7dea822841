#pragma once
// The NMM's decision on a reported or observed breach: evict, rekey, or only record it (docs/detections.md).
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/base/result.h"
#include "daemon/policy/grading.h"
#include "daemon/policy/response.h"

namespace akm::policy {

/// What the NMM knows of a breach. `authenticated` sources only: a report under the provisioning ASR, or the
/// NMM's own authenticated observation. There is no way to make one from an unauthenticated frame.
struct BreachFacts {
  std::uint64_t node_id = 0;
  DetectionClass detection{};
  Grade grade = Grade::observe;  // as reported; the class's ceiling is applied again here
};

/// One of the node's operational ASRs.
struct AsrFacts {
  std::uint64_t asr_id = 0;
  std::size_t members = 0;  // now, the node included, quarantined ones not
};

enum class Verdict : std::uint8_t { log, rekey, evict };
std::string_view verdict_name(Verdict verdict);

/// Who undoes an eviction: an operator alone, or also a quote of the node's TPM that an operator asked for.
enum class Undo : std::uint8_t { by_operator, attestation };

struct AdjudicationPolicy {
  Mode mode = Mode::enforce;
  Verdict on_critical = Verdict::evict;
  Verdict on_evidence = Verdict::log;              // or rekey; an eviction needs critical
  std::size_t quorum_floor = 2;                    // members that must remain after an automatic eviction
  std::set<std::uint64_t> never_evict;             // node ids
  std::uint32_t evictions_per_window = 4;          // per ASR
  std::uint32_t domain_evictions_per_window = 64;  // nodes, of the whole domain
  std::uint32_t rekeys_per_window = 4;             // per ASR
  std::uint32_t window_s = 600;
  Undo undo = Undo::by_operator;
  bool operator==(const AdjudicationPolicy&) const = default;
  /// config_invalid: on_evidence evict, quorum_floor below 2, counts or windows out of range, too long a
  /// list.
  [[nodiscard]] Status check() const;
};

/// Two members, and one of them is breached: new keys for both would help nobody but the intruder, so that
/// the floor does not hold for them. An eviction ends such an ASR.
inline constexpr std::size_t kPair = 2;

struct AsrVerdict {
  std::uint64_t asr_id = 0;
  Verdict verdict = Verdict::log;
  std::string reason;  // one sentence: why not more, or what was decided
};

/// The whole domain, in an ActionHistory: no ASR has this id.
inline constexpr std::uint64_t kDomain = 0;

/// Evictions and rekeys of the last window, per ASR and of the domain. State apart from the decision, so that
/// the caller records only what it carried out. Bounded: 128 actions per ASR; the oldest go first.
class ActionHistory {
 public:
  void record(std::uint64_t asr_id, Verdict verdict, Instant now);
  /// How many of this verdict lie within `window_s` before `now`.
  [[nodiscard]] std::size_t recent(std::uint64_t asr_id, Verdict verdict, Instant now,
                                   std::uint32_t window_s) const;
  void forget(std::uint64_t asr_id) { actions_.erase(asr_id); }
  struct Entry {
    std::uint64_t asr_id = 0;
    Verdict verdict{};
    Instant at;
  };
  /// All of them, the oldest first.
  [[nodiscard]] std::vector<Entry> entries() const;

 private:
  struct Action {
    Verdict verdict{};
    Instant at;
  };
  std::map<std::uint64_t, std::deque<Action>> actions_;
};

/// One verdict per ASR, in their order. A domain-wide wave cannot empty an ASR: quorum_floor, the never-evict
/// list and the rate limit turn an eviction into a rekey (critical) with the reason said.
std::vector<AsrVerdict> decide(const BreachFacts& facts, const std::vector<AsrFacts>& asrs,
                               const AdjudicationPolicy& policy, const ActionHistory& history, Instant now);

}  // namespace akm::policy
