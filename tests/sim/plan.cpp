#include "tests/sim/plan.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace akm::sim {
namespace {

using namespace std::chrono_literals;

// One history in this many has a thousand members, or some hundreds; small groups dominate, since they find
// most.
constexpr std::uint32_t kOneThousandIn = 5000;
constexpr std::uint32_t kHundredsIn = 1000;
// Each of N frames of a phase reaches N members: of a thousand it is a million, and a history takes an hour.
constexpr std::uint32_t kMulticastUpTo = 600;
constexpr std::uint32_t kAlwaysManaged = 64;
constexpr std::array<std::string_view, kActKinds> kActNames{
    "rekey", "rotate", "ask", "add",  "remove", "evict", "renew", "breach", "crash",
    "pause", "jump",   "cut", "heal", "replay", "lie",   "say",   "clone",  "stall"};

// How often each act is drawn, in the order of the enum.
constexpr std::array<std::uint32_t, kActKinds> kWeights{24, 6, 8, 6, 5, 6, 7,  3, 9,
                                                        4,  3, 7, 4, 8, 6, 10, 2, 2};
// In a history without loss: what takes no key or machine away. Nor a new member: its first frame makes
// others switch before all have the generation.
constexpr std::array<std::uint32_t, kActKinds> kLosslessWeights{24, 6, 8, 0, 0, 0, 8,  0, 0,
                                                                0,  0, 0, 0, 4, 0, 12, 0, 0};

// Where attempts are to mix: members that come and go, in one generation for long.
constexpr std::array<std::uint32_t, kActKinds> kHastyWeights{24, 2, 1,  1,  1, 1, 1, 1, 14,
                                                             8,  3, 24, 12, 6, 4, 2, 1, 24};

std::uint32_t draw_members(Dice& dice) {
  if (dice.below(kOneThousandIn) == 0) return 1000;
  if (dice.below(kHundredsIn) == 0) return 65 + dice.below(450);
  const std::uint32_t size = dice.below(1000);
  if (size < 850) return 2 + dice.below(4);
  if (size < 985) return 6 + dice.below(7);
  return 13 + dice.below(52);
}

ActKind draw_kind(Dice& dice, const Setting& setting) {
  const auto& weights = setting.lossless ? kLosslessWeights : setting.hasty ? kHastyWeights : kWeights;
  std::uint32_t sum = 0;
  for (const std::uint32_t weight : weights) sum += weight;
  while (true) {
    std::uint32_t at = dice.below(sum);
    std::size_t kind = 0;
    while (at >= weights[kind]) at -= weights[kind++];
    const auto drawn = static_cast<ActKind>(kind);
    const bool needs_manager =
        (drawn >= ActKind::rotate && drawn <= ActKind::breach) || drawn == ActKind::clone;
    if (setting.managed || !needs_manager) return drawn;
  }
}

Faults draw_faults(Dice& dice, bool lossless) {
  Faults faults;
  faults.duplicate = dice.percent(40) ? 0 : 80'000;
  faults.key_store = dice.percent(80) ? 0 : 100'000;
  if (lossless) return faults;
  faults.loss = dice.percent(20) ? 0 : dice.percent(40) ? 200'000 : 20'000;
  faults.damage = dice.percent(50) ? 0 : 15'000;
  faults.late = dice.percent(40) ? 0 : 40'000;
  faults.crash = dice.percent(50) ? 0 : 1500;
  faults.store = dice.percent(65) ? 0 : 80'000;
  return faults;
}

protocol::Topology draw_topology(Dice& dice, bool small) {
  if (dice.percent(15)) return protocol::Topology::multicast;
  if (!small) return protocol::Topology::automatic;
  return dice.percent(35) ? protocol::Topology::star : protocol::Topology::mesh;
}

/// Mostly in quick succession; some let all timers of all chains run out.
Duration draw_pause(Dice& dice, const Setting& setting) {
  const std::uint32_t lot = dice.below(100);
  if (setting.hasty) return std::chrono::microseconds(dice.below(lot < 50 ? 400'000 : 3'000'000));
  const std::uint32_t most = lot < 5 ? 15'000'000 : lot < 18 ? 3'000'000 : 300'000;
  return std::chrono::microseconds(dice.below(most));
}

Setting draw_setting(Dice& dice, std::uint32_t members) {
  Setting setting;
  const std::uint32_t drawn = draw_members(dice);
  setting.members = members != 0 ? members : drawn;
  const bool small = setting.members <= 16;
  setting.hasty = small && dice.percent(25);
  if (setting.hasty && members == 0) setting.members = 3 + dice.below(3);
  setting.managed = setting.members <= kAlwaysManaged || dice.percent(50);
  setting.spares = setting.managed ? dice.below(3) : 0;
  setting.copies = setting.managed && small ? 1 : 0;
  const std::uint32_t suite = dice.below(10);
  if (suite == 8) setting.suite = protocol::Suite::hkdf_sha384_aes256gcm;
  if (suite == 9) setting.suite = protocol::Suite::hkdf_sha256_chacha20poly1305;
  setting.topology = draw_topology(dice, small);
  if (setting.members > kMulticastUpTo && setting.topology == protocol::Topology::multicast)
    setting.topology = protocol::Topology::automatic;
  setting.majority = dice.percent(30);
  setting.latency_us = dice.percent(30) ? 30'000 : 800;
  setting.drift_ppm = dice.percent(50) ? 0 : 500;
  setting.lossless = small && !setting.hasty && dice.percent(13);
  if (setting.hasty) setting.majority = dice.percent(60);
  if (small && dice.percent(setting.lossless ? 100 : 30)) setting.talk_ms = 5 + dice.below(90);
  setting.faults = draw_faults(dice, setting.lossless);
  return setting;
}

}  // namespace

Plan draw_plan(std::uint64_t seed, std::uint32_t members) {
  Dice dice(number_of(seed, 1));
  Plan plan;
  plan.seed = seed;
  plan.setting = draw_setting(dice, members);
  const std::uint32_t acts = plan.setting.hasty           ? 4 + dice.below(16)
                             : plan.setting.members <= 16 ? 2 + dice.below(11)
                                                          : 2 + dice.below(4);
  Duration at{};
  for (std::uint32_t i = 0; i < acts; ++i) {
    at += draw_pause(dice, plan.setting);
    plan.acts.push_back({at, draw_kind(dice, plan.setting), static_cast<std::uint32_t>(dice.next() >> 40),
                         static_cast<std::uint32_t>(dice.next() >> 40)});
  }
  return plan;
}

protocol::Policy policy_of(const Setting& setting) {
  protocol::Policy policy;
  policy.rekey_interval_s = 45;
  policy.nnrt_ms = 400;
  policy.nset_ms = 1000;
  policy.fbset_ms = 2000;
  policy.fsset_ms = 3000;
  policy.grace_ms = 600;
  policy.install_deadline_s = 6;
  policy.control_deadline_s = 5;
  policy.resync_min_interval_s = 5;
  if (setting.hasty) {
    policy.nnrt_ms = 100;
    policy.nset_ms = 250;
    policy.fbset_ms = 350;
    policy.fsset_ms = 500;
    policy.resync_min_interval_s = 1;
  }
  policy.topology = setting.topology;
  if (setting.topology == protocol::Topology::multicast) policy.multicast_group = kGroupAddress;
  policy.quorum = setting.majority ? protocol::Quorum::majority : protocol::Quorum::all;
  return policy;
}

std::string describe(const Act& act) {
  std::string text(kActNames[static_cast<std::size_t>(act.kind)]);
  return text + " " + std::to_string(act.a) + " " + std::to_string(act.b);
}

std::string describe(const Plan& plan) {
  const Setting& setting = plan.setting;
  std::string text =
      "seed " + std::to_string(plan.seed) + ": " + std::to_string(setting.members) + " members";
  if (setting.spares != 0) text += " and " + std::to_string(setting.spares) + " spares";
  text += setting.topology == protocol::Topology::star        ? ", star"
          : setting.topology == protocol::Topology::mesh      ? ", mesh"
          : setting.topology == protocol::Topology::multicast ? ", multicast"
                                                              : "";
  if (setting.majority) text += ", majority";
  if (setting.lossless) text += ", lossless";
  if (setting.hasty) text += ", hasty";
  text += ", " + std::to_string(plan.acts.size()) + " acts";
  if (plan.faults) text += ", " + std::to_string(plan.faults->size()) + " faults";
  return text;
}

}  // namespace akm::sim
