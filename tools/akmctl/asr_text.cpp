#include "tools/akmctl/asr_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/base/hex.h"
#include "tools/akmctl/age.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

std::string with_age(std::string text, std::int64_t since_ns, std::int64_t now_ns) {
  const std::string span = age(since_ns, now_ns);
  if (!text.empty() && !span.empty()) text += ", for " + span;
  return text;
}

std::string phase_text(const AsrSnapshot& asr) {
  std::string text = asr.phase;
  if (!asr.chain.empty() && (asr.chain != "normal" || asr.target != 0))
    text += " on the " + asr.chain + " chain";
  if (asr.target != 0) text += fmt::format(", to epoch {}", asr.target);
  return with_age(std::move(text), asr.phase_since_ns, asr.now_ns);
}

std::string wait_text(const AsrSnapshot& asr) {
  const std::string left = time_left(asr.waits_until_ns, asr.now_ns);
  return asr.waits_for + (asr.waits_for.empty() || left.empty() ? "" : ", " + left + " more at most");
}

/// Names, as many as fit a line, and how many there are besides.
std::string names_of(const std::vector<StragglerSnapshot>& stragglers) {
  constexpr std::size_t kRoom = 50;
  std::string out;
  for (std::size_t i = 0; i < stragglers.size(); ++i) {
    const std::string& name = stragglers[i].name;
    if (i > 0 && columns(out) + columns(name) > kRoom)
      return out + fmt::format(" and {} more", stragglers.size() - i);
    out += (i > 0 ? ", " : "") + name;
  }
  return out;
}

std::string members_text(const AsrSnapshot& asr, bool nmm) {
  std::vector<std::string> heads{"INDEX", "NODE", "STATE", "GEN", "EPOCH", "SINCE", "HEARD"};
  if (nmm) heads.emplace_back("SENT");
  Table members(heads);
  const auto number = [](std::uint32_t known) { return known == 0 ? std::string() : std::to_string(known); };
  for (const MemberSnapshot& m : asr.members) {
    std::vector<std::string> row{std::to_string(m.index),
                                 m.name,
                                 m.state,
                                 number(m.generation),
                                 number(m.epoch),
                                 age(m.since_ns, asr.now_ns),
                                 age(m.last_heard_ns, asr.now_ns)};
    if (nmm) row.push_back(number(m.sent_generation));
    members.row(std::move(row));
  }
  Table places({"INDEX", "ID", "ENDPOINTS"});
  for (const MemberSnapshot& m : asr.members) {
    places.row({std::to_string(m.index), hex_id(m.node_id), m.endpoints.empty() ? "" : m.endpoints.front()});
    for (std::size_t i = 1; i < m.endpoints.size(); ++i) places.row({" ", " ", m.endpoints[i]});
  }
  return "\nMembers:\n" + members.text(2) + "\n" + places.text(2);
}

/// What is awaited of members, then of nodes that are none any more.
std::string waits_text(const AsrSnapshot& asr) {
  Table waits({"NODE", "FOR", "WAITS FOR"});
  for (const MemberSnapshot& m : asr.members) {
    if (!m.waits_for.empty()) waits.row({m.name, age(m.waits_since_ns, asr.now_ns), m.waits_for});
  }
  for (const StragglerSnapshot& one : asr.stragglers) {
    const bool member =
        std::ranges::find(asr.members, one.node_id, &MemberSnapshot::node_id) != asr.members.end();
    if (!member) waits.row({one.name, age(one.since_ns, asr.now_ns), one.waits_for});
  }
  return waits.empty() ? "" : "\nWaiting:\n" + waits.text(2);
}

/// Keys that local consumers hold, and who holds them.
std::string exports_text(const AsrSnapshot& asr) {
  Table keys({"KEY OF", "CONTEXT", "TYPE", "SERIAL", "GEN", "EPOCH", "USERS"});
  for (const ExportedKey& one : asr.exported_keys) {
    std::string users;
    for (const std::uint32_t user : one.users) users += (users.empty() ? "" : ", ") + std::to_string(user);
    keys.row({one.name, one.context, one.type, std::to_string(one.serial), std::to_string(one.generation),
              std::to_string(one.epoch), users});
  }
  return keys.empty() ? "" : "\nExported keys:\n" + keys.text(2);
}

}  // namespace

std::string asr_text(const AsrSnapshot& asr, bool nmm) {
  const std::string since = age(asr.since_ns, asr.now_ns);
  const std::string held = since.empty() ? "" : ", for " + since;
  std::string installed;
  if (asr.installed_generation != 0) installed = fmt::format("; {} is installed", asr.installed_generation);
  std::string out = facts({
      {"Relationship", asr.label},
      {"Id", hex_id(asr.id)},
      {"Kind", asr.kind},
      {"Cipher suite", asr.suite},
      {"Generation", std::to_string(asr.generation) + installed + (nmm ? held : "")},
      {"Epoch", std::to_string(asr.epoch) + (nmm ? "" : held)},
      {"Phase", phase_text(asr)},
      {"Waits for", wait_text(asr)},
      {"Stragglers", names_of(asr.stragglers)},
      {"Key check", asr.key_check},
      {"Roster hash", asr.roster_hash},
      {"Own index", nmm ? "" : std::to_string(asr.own_index)},
  });
  if (!asr.members.empty()) out += members_text(asr, nmm);
  out += waits_text(asr);
  out += exports_text(asr);
  Table counters({"COUNTER", "VALUE"});
  for (const auto& [key, value] : asr.counters) counters.row({key, std::to_string(value)});
  Table policy({"POLICY", "VALUE"});
  for (const auto& [key, value] : asr.policy) policy.row({key, value});
  for (const Table* table : {&counters, &policy}) {
    if (!table->empty()) out += "\n" + table->text(2);
  }
  return out;
}

}  // namespace akm::ctl
