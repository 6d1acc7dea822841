#include "daemon/service/snapshot.h"

#include <algorithm>

#include "daemon/base/hex.h"
#include "daemon/protocol/key_schedule.h"
#include "daemon/protocol/suite.h"
#include "daemon/service/policy_text.h"

namespace akm::service {
namespace {

/// The check value of what the kernel holds, not of what the process remembers.
std::string key_check_of_kernel_key(const protocol::AsrView& view, keyring::KeyStore& keys) {
  const auto secret = keys.get({view.description.id, keyring::KeyId::Slot::current, {}});
  if (!secret) return {};
  const protocol::KeyContext context{view.description.suite, view.description.id, view.description.generation,
                                     view.description.roster_hash()};
  const auto check = protocol::key_check_value(context, protocol::Chain::normal, view.epoch, *secret);
  return check ? hex(*check) : std::string();
}

std::string awaited_text(const protocol::AsrView& view) {
  using protocol::Awaited;
  switch (view.awaited) {
    case Awaited::nothing:
      break;
    case Awaited::members:
      return std::string(protocol::phase_name(view.phase)) + " of the stragglers";
    case Awaited::next_attempt:
      return view.nmm_asked ? "the NMM's next generation, or the next attempt" : "the next attempt";
    case Awaited::fallback:
      return "the turn of the fallback chain";
    case Awaited::failsafe:
      return "the turn of the failsafe chain";
  }
  if (view.installed_generation != 0)
    return "the switch to generation " + std::to_string(view.installed_generation);
  return view.nmm_asked ? "the NMM's next generation" : "";
}

/// What is awaited of this member.
std::string awaited_of(const protocol::AsrView& view) {
  if (view.phase == protocol::Phase::se) return "a frame in the next attempt";
  return "its " + std::string(protocol::phase_name(view.phase));
}

void show_others(const protocol::AsrView& view, Instant now, AsrSnapshot& out) {
  // Members speak at least once a rekey interval; one that missed two of them is silent.
  const Duration patience = std::chrono::seconds(2 * std::int64_t{view.description.policy.rekey_interval_s});
  for (MemberSnapshot& member : out.members) {
    if (member.index == view.own_index) {
      member.state = "self";
      member.generation = out.generation;
      member.epoch = out.epoch;
      member.since_ns = out.since_ns;
      continue;
    }
    member.state = "silent";
    const auto seen = std::ranges::find(view.members, member.index, &protocol::MemberView::index);
    if (seen == view.members.end()) continue;
    if (seen->last_heard && now - *seen->last_heard < patience) member.state = "heard";
    member.generation = seen->generation;
    member.epoch = seen->epoch;
    member.since_ns = seen->since.value_or(Instant{}).ns;
    member.last_heard_ns = seen->last_heard.value_or(Instant{}).ns;
    if (!seen->awaited) continue;
    member.waits_for = awaited_of(view);
    member.waits_since_ns = out.phase_since_ns;
    out.stragglers.push_back({member.node_id, member.name, member.waits_for, member.waits_since_ns});
  }
}

}  // namespace

std::string chain_name(protocol::Chain chain) {
  switch (chain) {
    case protocol::Chain::normal:
      return "normal";
    case protocol::Chain::fallback:
      return "fallback";
    case protocol::Chain::failsafe:
      return "failsafe";
  }
  return {};
}

std::string kind_name(protocol::Kind kind) {
  return kind == protocol::Kind::provisioning ? "provisioning" : "operational";
}

AsrSnapshot asr_snapshot(const protocol::AsrDescription& description) {
  AsrSnapshot out;
  out.id = description.id;
  out.kind = kind_name(description.kind);
  out.label = description.label;
  out.suite = protocol::suite_name(description.suite);
  out.generation = description.generation;
  out.roster_hash = hex(description.roster_hash());
  for (const protocol::Member& member : description.roster) {
    MemberSnapshot shown;
    shown.index = member.index;
    shown.node_id = member.node_id;
    shown.name = member.name;
    shown.endpoints = member.endpoints;
    out.members.push_back(std::move(shown));
  }
  out.policy = policy_to_text(description.policy);
  return out;
}

AsrSnapshot asr_snapshot(const protocol::AsrView& view, Instant now, keyring::KeyStore* keys) {
  AsrSnapshot out = asr_snapshot(view.description);
  out.epoch = view.epoch;
  out.phase = protocol::phase_name(view.phase);
  out.own_index = view.own_index;
  if (keys != nullptr) out.key_check = key_check_of_kernel_key(view, *keys);
  out.now_ns = now.ns;
  out.since_ns = view.since.ns;
  out.phase_since_ns = view.phase_since.ns;
  out.chain = chain_name(view.chain);
  out.target = view.target;
  out.installed_generation = view.installed_generation;
  out.waits_for = awaited_text(view);
  out.waits_until_ns = view.awaited_until.value_or(Instant{}).ns;
  if (view.description.kind == protocol::Kind::operational) {
    out.counters = {{"data_sent", view.data.sent},
                    {"data_received", view.data.received},
                    {"data_refused", view.data.refused}};
  }
  show_others(view, now, out);
  return out;
}

std::map<std::string, std::uint64_t> counter_map(const protocol::Counters& counters) {
  std::map<std::string, std::uint64_t> out{{"frames_received", counters.frames_received},
                                           {"frames_accepted", counters.frames_accepted},
                                           {"frames_sent", counters.frames_sent},
                                           {"sessions_committed", counters.sessions_committed},
                                           {"attempts_started", counters.attempts_started},
                                           {"attempts_failed", counters.attempts_failed},
                                           {"requests_executed", counters.requests_executed},
                                           {"requests_repeated", counters.requests_repeated},
                                           {"data_sent", counters.data_sent},
                                           {"data_received", counters.data_received}};
  for (std::size_t i = 0; i < protocol::kRefusalCount; ++i) {
    std::string name = "refused_" + std::string(protocol::refusal_name(static_cast<protocol::Refusal>(i)));
    std::ranges::replace(name, '-', '_');  // the alphabet of OpenMetrics
    out.emplace(std::move(name), counters.refused[i]);
  }
  return out;
}

}  // namespace akm::service
