#include "tests/sim/traffic.h"

#include <algorithm>
#include <cstring>

#include "daemon/protocol/data_payload.h"

namespace akm::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSaidAtMost = 4000;
constexpr std::uint32_t kSaidAtOnce = 12;
constexpr std::uint32_t kApart_ms = 25;

std::array<std::uint8_t, kDatagramBytes> datagram(std::uint64_t number, std::uint64_t from) {
  std::array<std::uint8_t, kDatagramBytes> bytes{};
  std::memcpy(bytes.data(), &number, sizeof number);
  std::memcpy(bytes.data() + sizeof number, &from, sizeof from);
  return bytes;
}

}  // namespace

std::array<std::uint8_t, kDatagramBytes> forged_datagram(std::size_t forger) {
  return datagram(kForgedDatagram, forger);
}

void Traffic::begin() {
  if (setting_.talk_ms != 0) talk();
}

void Traffic::talk() {
  if (ended_) return;
  const auto members = manager_.members();
  const std::uint64_t lot = dice_.next();
  say_one(members[lot % members.size()], lot >> 40 & 1, lot >> 8);
  fleet_.call_at(fleet_.now() + std::chrono::milliseconds(setting_.talk_ms), [this] { talk(); });
}

void Traffic::say(std::size_t machine, std::uint32_t how) {
  const std::uint32_t count = 1 + how / 2 % kSaidAtOnce;
  const std::uint32_t apart_ms = how / 32 % kApart_ms;
  for (std::uint32_t i = 0; i < count; ++i) {
    fleet_.call_at(fleet_.now() + std::chrono::milliseconds(i * apart_ms),
                   [this, machine, how, i] { say_one(machine, how % 2 != 0, how / 64 + i); });
  }
}

void Traffic::say_one(std::size_t machine, bool to_all, std::uint64_t lot) {
  const Fleet::Machine& here = fleet_.machine(machine);
  const bool stands_still = here.frozen_until && fleet_.now() < *here.frozen_until;
  if (ended_ || !here.engine || stands_still || said_.size() >= kSaidAtMost) return;
  const auto view = here.engine->view(kGroup);
  if (!view) return;
  const auto& roster = view->description.roster;
  const protocol::Member& chosen = roster[lot % roster.size()];
  if (!to_all && chosen.index == view->own_index) return;
  Said& said = said_.emplace_back();
  said.from = machine;
  said.bytes = datagram(said_.size() - 1, machine);
  for (const protocol::Member& member : roster) {
    if (member.index == view->own_index || (!to_all && member.index != chosen.index)) continue;
    said.to.push_back(machine_of_node(member.node_id));
  }
  const std::uint16_t to = to_all ? protocol::kEveryone : chosen.index;
  fleet_.post(machine, protocol::SendData{kGroup, to, said.bytes},
              [&said](const Status& done) { said.sent = done.has_value(); });
}

void Traffic::effect(std::size_t machine, const protocol::Effect& effect, bool /*done*/) {
  if (const auto* received = std::get_if<protocol::DataReceived>(&effect)) check_heard(machine, *received);
}

void Traffic::check_heard(std::size_t machine, const protocol::DataReceived& received) {
  const std::string who = name_of_machine(machine);
  std::array<std::uint64_t, 2> content{};
  if (!watch_.check(Invariant::data, received.payload.size() == kDatagramBytes, who + " took no datagram"))
    return;
  std::memcpy(content.data(), received.payload.data(), sizeof content);
  const auto view = fleet_.machine(machine).engine->view(kGroup);
  const protocol::Member* const sender = view ? view->description.member(received.from) : nullptr;
  if (!watch_.check(Invariant::data, sender != nullptr, who + " took data from nobody")) return;
  if (content[0] == kForgedDatagram) return check_forged(machine, content[1], *view);
  Said& said = said_[content[0]];
  watch_.check(Invariant::data, machine_of_node(sender->node_id) == said.from,
               who + " took data of another than it says");
  // A copy stands where its original does.
  const std::size_t here = fleet_.original_of(machine);
  watch_.check(Invariant::data, std::ranges::find(said.to, here) != said.to.end(),
               who + " took data for another");
  watch_.check(Invariant::data, said.heard.insert(machine).second, who + " took a datagram twice");
  const std::uint32_t newest = std::max(view->description.generation, view->installed_generation);
  watch_.check(Invariant::data, watch_.is_in(newest, said.from),
               who + " took data of " + name_of_machine(said.from) + ", who is not in generation " +
                   std::to_string(newest));
}

/// Whoever holds the key can speak as any member: as long as it belongs to the generation.
void Traffic::check_forged(std::size_t machine, std::size_t forger, const protocol::AsrView& view) {
  watch_.check(Invariant::data, watch_.is_in(view.description.generation, fleet_.original_of(forger)),
               name_of_machine(machine) + " took what " + name_of_machine(forger) +
                   " forged, who is not in generation " + std::to_string(view.description.generation));
}

void Traffic::finish() {
  if (!setting_.lossless) return;
  for (const Said& said : said_) {
    if (!said.sent) continue;
    for (const std::size_t to : said.to) {
      watch_.check(Invariant::data, said.heard.contains(to),
                   "a datagram of " + name_of_machine(said.from) + " never reached " + name_of_machine(to));
    }
  }
}

}  // namespace akm::sim
