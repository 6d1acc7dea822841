#include "daemon/policy/policy_memory.h"

#include <algorithm>
#include <utility>

#include "daemon/protocol/cbor.h"

namespace akm::policy {
namespace {

using protocol::CborReader;
using protocol::CborWriter;

constexpr std::uint64_t kCountMost = 1000;  // answers of one window (NodePolicy::check)
constexpr Duration kLongestWindow = std::chrono::hours(24);

std::uint64_t number(Instant at) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(at.ns, 0));
}

/// Never in the future: a limit that waits for a time of another boot would wait for ever.
Instant read_instant(CborReader& reader, bool same_boot, Instant now) {
  const Instant at{static_cast<std::int64_t>(reader.unsigned_integer(INT64_MAX))};
  return same_boot && at < now ? at : now;
}

/// [boot, ..: the caller reads the rest
bool read_boot(CborReader& reader, std::size_t items, const BootId& boot) {
  if (reader.array(items) != items) reader.refuse("memory");
  return std::ranges::equal(reader.bytes(boot.size(), boot.size()), boot);
}

DetectionClass read_class(CborReader& reader) {
  const auto detection = detection_by_name(reader.text(kRuleNameBytes));
  if (!detection) reader.refuse("class");
  return detection.value_or(DetectionClass::forged_frames);
}

/// [time, count, ..]: groups that end with their newest, so that none is forgotten too early.
void write_answers(CborWriter& writer, const std::deque<Instant>& answered) {
  const std::size_t group = std::max<std::size_t>((answered.size() + kAnswersKept - 1) / kAnswersKept, 1);
  writer.array((answered.size() + group - 1) / group * 2);
  for (std::size_t at = 0; at < answered.size(); at += group) {
    const std::size_t count = std::min(group, answered.size() - at);
    writer.unsigned_integer(number(answered[at + count - 1]));
    writer.unsigned_integer(count);
  }
}

std::deque<Instant> read_answers(CborReader& reader, bool same_boot, Instant now) {
  std::deque<Instant> out;
  const std::size_t items = reader.array(2 * kAnswersKept);
  if (items % 2 != 0) reader.refuse("answers");
  for (std::size_t left = items / 2; left > 0 && reader.ok(); --left) {
    const Instant at = read_instant(reader, same_boot, now);
    const std::uint64_t count = reader.unsigned_integer(kCountMost);
    out.insert(out.end(), reader.ok() ? count : 0, at);
  }
  return out;
}

/// 0: not seen.
void write_seen(CborWriter& writer, const std::optional<Instant>& seen) {
  writer.unsigned_integer(seen ? std::max<std::uint64_t>(number(*seen), 1) : 0);
}

std::optional<Instant> read_seen(CborReader& reader) {
  const auto ns = static_cast<std::int64_t>(reader.unsigned_integer(INT64_MAX));
  return ns == 0 ? std::nullopt : std::optional(Instant{ns});
}

void write_incidents(CborWriter& writer, const IncidentMemory& incidents, std::size_t most) {
  const auto& known = incidents.in_order();
  const std::size_t first = known.size() - std::min(known.size(), most);
  writer.array(known.size() - first);
  for (std::size_t i = first; i < known.size(); ++i) {
    writer.array(4);
    writer.unsigned_integer(known[i].node_id);
    writer.text(detection_name(known[i].detection));
    writer.unsigned_integer(number(Instant{known[i].boottime_ns}));
    writer.bytes(known[i].facts);
  }
}

IncidentMemory read_incidents(CborReader& reader) {
  IncidentMemory out;
  for (std::size_t left = reader.array(kIncidentsRemembered); left > 0 && reader.ok(); --left) {
    if (reader.array(4) != 4) reader.refuse("incident");
    IncidentId id;
    id.node_id = reader.unsigned_integer();
    id.detection = read_class(reader);
    id.boottime_ns = static_cast<std::int64_t>(reader.unsigned_integer(INT64_MAX));
    const auto facts = reader.bytes(id.facts.size(), id.facts.size());
    if (!reader.ok()) break;
    std::ranges::copy(facts, id.facts.begin());
    out.add(id);
  }
  return out;
}

}  // namespace

/// [boot, [[class, grade, [time, count, ..]], ..], [incident, ..], [[rule, first, then], ..]]
std::vector<std::uint8_t> encode_memory(const NodePolicy& policy, const PolicyState& state,
                                        const BootId& boot) {
  CborWriter writer;
  writer.array(4);
  writer.bytes(boot);
  std::size_t used = 0;
  for (const auto& of_class : state.answered)
    used +=
        static_cast<std::size_t>(std::ranges::count_if(of_class, [](const auto& a) { return !a.empty(); }));
  writer.array(used);
  for (const DetectionClass detection : kDetectionClasses) {
    const auto& of_class = state.answered.at(static_cast<std::size_t>(detection));
    for (std::size_t grade = 0; grade < kGradeCount; ++grade) {
      if (of_class.at(grade).empty()) continue;
      writer.array(3);
      writer.text(detection_name(detection));
      writer.unsigned_integer(grade);
      write_answers(writer, of_class.at(grade));
    }
  }
  write_incidents(writer, state.incidents, kIncidentsKept);
  const auto& seen = state.combinations.seen();
  const std::size_t rules = std::min(policy.combinations.size(), seen.size());
  writer.array(rules);
  for (std::size_t i = 0; i < rules; ++i) {
    writer.array(3);
    writer.text(policy.combinations[i].name);
    write_seen(writer, seen[i].first);
    write_seen(writer, seen[i].then);
  }
  return writer.take();
}

Status take_memory(std::span<const std::uint8_t> bytes, const NodePolicy& policy, const BootId& boot,
                   Instant now, PolicyState& state) {
  CborReader reader(bytes);
  const bool same_boot = read_boot(reader, 4, boot);
  PolicyState out;
  out.maintenance_until = state.maintenance_until;
  for (std::size_t left = reader.array(kDetectionClassCount * kGradeCount); left > 0 && reader.ok(); --left) {
    if (reader.array(3) != 3) reader.refuse("answers");
    const auto detection = static_cast<std::size_t>(read_class(reader));
    const std::uint64_t grade = reader.unsigned_integer(kGradeCount - 1);
    std::deque<Instant> answers = read_answers(reader, same_boot, now);
    if (reader.ok()) out.answered.at(detection).at(grade) = std::move(answers);
  }
  // What the kernel saw before another boot does not come again.
  IncidentMemory incidents = read_incidents(reader);
  if (same_boot) out.incidents = std::move(incidents);
  for (std::size_t left = reader.array(kCombinations); left > 0 && reader.ok(); --left) {
    if (reader.array(3) != 3) reader.refuse("combination");
    const std::string_view name = reader.text(kRuleNameBytes);
    const auto rule = std::ranges::find(policy.combinations, name, &Combination::name);
    const CombinationProgress::Seen seen{read_seen(reader), read_seen(reader)};
    if (same_boot && rule != policy.combinations.end())
      out.combinations.restore(static_cast<std::size_t>(rule - policy.combinations.begin()), seen);
  }
  if (!reader.finish()) return fail(Errc::state_corrupt, "the memory of the policy");
  state = std::move(out);
  return {};
}

/// [boot, [[asr, verdict, time], ..], [incident, ..]]
std::vector<std::uint8_t> RecoveryMemory::encode(const BootId& boot, Instant now) const {
  std::vector<ActionHistory::Entry> actions = history.entries();
  std::erase_if(actions, [&](const auto& one) { return now - one.at >= kLongestWindow; });
  if (actions.size() > kActionsKept) actions.erase(actions.begin(), actions.end() - kActionsKept);
  CborWriter writer;
  writer.array(3);
  writer.bytes(boot);
  writer.array(actions.size());
  for (const ActionHistory::Entry& one : actions) {
    writer.array(3);
    writer.unsigned_integer(one.asr_id);
    writer.unsigned_integer(static_cast<std::uint64_t>(one.verdict));
    writer.unsigned_integer(number(one.at));
  }
  write_incidents(writer, incidents, kIncidentsRemembered);
  return writer.take();
}

Result<RecoveryMemory> RecoveryMemory::decode(std::span<const std::uint8_t> bytes, const BootId& boot,
                                              Instant now) {
  CborReader reader(bytes);
  const bool same_boot = read_boot(reader, 3, boot);
  RecoveryMemory out;
  for (std::size_t left = reader.array(kActionsKept); left > 0 && reader.ok(); --left) {
    if (reader.array(3) != 3) reader.refuse("action");
    const std::uint64_t asr_id = reader.unsigned_integer();
    const auto verdict = static_cast<Verdict>(reader.unsigned_integer(static_cast<int>(Verdict::evict)));
    const Instant at = read_instant(reader, same_boot, now);
    if (reader.ok()) out.history.record(asr_id, verdict, at);
  }
  // These are times of the nodes' boots, which a restart of this machine does not end.
  out.incidents = read_incidents(reader);
  if (!reader.finish()) return fail(Errc::state_corrupt, "the memory of recovery");
  return out;
}

}  // namespace akm::policy
