#include "tests/sim/plan.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace akm::sim {
namespace {

using namespace std::chrono_literals;

// One history in this many has a thousand members; small groups dominate, since small groups find most.
constexpr std::uint32_t kOneThousandIn = 5000;
constexpr std::uint32_t kLargestManaged = 64;

constexpr std::array<std::string_view, kActKinds> kActNames{"rekey", "rotate", "ask",    "add",    "remove",
                                                            "evict", "renew",  "breach", "crash",  "pause",
                                                            "jump",  "cut",    "heal",   "replay", "lie"};

// How often each act is drawn, in the order of the enum.
constexpr std::array<std::uint32_t, kActKinds> kWeights{24, 6, 8, 6, 5, 6, 7, 3, 9, 4, 3, 7, 4, 8, 6};

std::uint32_t draw_members(Dice& dice) {
  if (dice.below(kOneThousandIn) == 0) return 1000;
  const std::uint32_t size = dice.below(1000);
  if (size < 850) return 2 + dice.below(4);
  if (size < 985) return 6 + dice.below(7);
  return 13 + dice.below(52);
}

ActKind draw_kind(Dice& dice, bool managed) {
  std::uint32_t sum = 0;
  for (const std::uint32_t weight : kWeights) sum += weight;
  while (true) {
    std::uint32_t at = dice.below(sum);
    std::size_t kind = 0;
    while (at >= kWeights[kind]) at -= kWeights[kind++];
    const auto drawn = static_cast<ActKind>(kind);
    const bool needs_manager = drawn >= ActKind::rotate && drawn <= ActKind::breach;
    if (managed || !needs_manager) return drawn;
  }
}

Faults draw_faults(Dice& dice) {
  Faults faults;
  faults.loss = dice.percent(20) ? 0 : dice.percent(40) ? 200'000 : 20'000;
  faults.duplicate = dice.percent(40) ? 0 : 80'000;
  faults.damage = dice.percent(50) ? 0 : 15'000;
  faults.late = dice.percent(40) ? 0 : 40'000;
  faults.crash = dice.percent(50) ? 0 : 1500;
  faults.store = dice.percent(65) ? 0 : 80'000;
  faults.key_store = dice.percent(80) ? 0 : 100'000;
  return faults;
}

}  // namespace

Plan draw_plan(std::uint64_t seed, std::uint32_t members) {
  Dice dice(number_of(seed, 1));
  Plan plan;
  plan.seed = seed;
  Setting& setting = plan.setting;
  const std::uint32_t drawn = draw_members(dice);
  setting.members = members != 0 ? members : drawn;
  setting.managed = setting.members <= kLargestManaged;
  const bool small = setting.members <= 16;
  setting.spares = setting.managed && small ? dice.below(3) : 0;
  const std::uint32_t suite = dice.below(10);
  if (suite == 8) setting.suite = protocol::Suite::hkdf_sha384_aes256gcm;
  if (suite == 9) setting.suite = protocol::Suite::hkdf_sha256_chacha20poly1305;
  setting.topology = !small             ? protocol::Topology::automatic
                     : dice.percent(35) ? protocol::Topology::star
                                        : protocol::Topology::mesh;
  setting.majority = dice.percent(30);
  setting.latency_us = dice.percent(30) ? 30'000 : 800;
  setting.drift_ppm = dice.percent(50) ? 0 : 500;
  setting.faults = draw_faults(dice);
  const std::uint32_t acts = small ? 2 + dice.below(11) : 2 + dice.below(4);
  Duration at{};
  for (std::uint32_t i = 0; i < acts; ++i) {
    at += std::chrono::microseconds(dice.percent(15) ? dice.below(3'000'000) : dice.below(300'000));
    plan.acts.push_back({at, draw_kind(dice, setting.managed), static_cast<std::uint32_t>(dice.next() >> 40),
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
  policy.topology = setting.topology;
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
  text += setting.topology == protocol::Topology::star   ? ", star"
          : setting.topology == protocol::Topology::mesh ? ", mesh"
                                                         : "";
  if (setting.majority) text += ", majority";
  text += ", " + std::to_string(plan.acts.size()) + " acts";
  if (plan.faults) text += ", " + std::to_string(plan.faults->size()) + " faults";
  return text;
}

}  // namespace akm::sim
