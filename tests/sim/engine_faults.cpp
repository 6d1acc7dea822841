// Thousands of seeded runs of the engine on a bad network with crashes and failing disks, then a quiet end in
// which all must meet (protocol.md, sections 5 and 6). Usage: engine_faults [seeds] [first seed].
#include <cstdio>
#include <cstdlib>

#include "tests/support/agreement.h"

namespace {

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;
using akm::testing::agreed;
using akm::testing::EngineNet;

constexpr AsrId kGroup = 0x1111;
constexpr AsrId kLink = 0x2222;

struct Outcome {
  bool passed = true;
  std::size_t commits = 0;
  std::size_t frames = 0;
};

void stir(EngineNet& net, std::uint32_t step) {
  const std::size_t node = net.dice().below(static_cast<std::uint32_t>(net.size()));
  switch (net.dice().below(5)) {
    case 0:
    case 1:
      net.give(node, RequestRekey{kGroup});
      break;
    case 2:
      net.give(node % 2, RequestRekey{kLink});
      break;
    case 3: {  // one member is told another policy, the others not (yet)
      const auto view = net.view(node, kGroup);
      if (!view) break;
      Policy policy = view->description.policy;
      policy.nset_ms = 1000 + net.dice().below(500);
      policy.rekey_interval_s = 60 + net.dice().below(3600);
      policy.rekey_after_frames = net.dice().chance(0.3) ? 16 : policy.rekey_after_frames;
      net.give(node, SetPolicy{kGroup, policy});
      break;
    }
    default: {
      SendRequest request;
      request.asr_id = kLink;
      request.method = net.dice().chance(0.5) ? Method::breach_report : Method::heartbeat;
      // Said once in the whole run: body names it.
      request.body = {
          0xa1, 0x61, 'i', 0x1a, 0, 0, static_cast<std::uint8_t>(step >> 8), static_cast<std::uint8_t>(step)};
      if (net.dice().chance(0.3)) request.body.resize(3000, 0);
      net.give(node % 2, std::move(request));
    }
  }
}

Outcome run(std::uint64_t seed) {
  akm::testing::SeededRandom dice(seed * 7919 + 1);
  const std::size_t members = 2 + dice.below(4);
  EngineNet net(members, seed);
  Asr group = net.make_asr(kGroup, 1, members);
  group.description.policy.topology = dice.chance(0.3) ? Topology::star : Topology::mesh;
  group.description.policy.nset_ms = 1000;
  group.description.policy.nnrt_ms = 400;
  group.description.policy.fbset_ms = 1500;
  group.description.policy.fsset_ms = 2000;
  group.description.policy.resync_min_interval_s = 1 + dice.below(5);
  if (dice.chance(0.4)) group.description.policy.quorum = Quorum::majority;
  net.all_take_part = group.description.policy.quorum == Quorum::all;
  const bool cuts = dice.chance(0.5);
  net.install_everywhere(group);
  net.install_everywhere(net.make_asr(kLink, 1, 2, Kind::provisioning));
  net.faults = {.loss = dice.chance(0.5) ? 0.2 : 0.02,
                .duplicate = 0.1,
                .damage = 0.02,
                .store_fails = dice.chance(0.3) ? 0.1 : 0,
                .crash = dice.chance(0.6) ? 0.002 : 0,
                .delay_min_us = 50,
                .delay_max_us = dice.chance(0.3) ? 30000U : 1000U};
  for (std::uint32_t step = 0; step < 12; ++step) {
    stir(net, step);
    net.run(std::chrono::milliseconds(1 + dice.below(300)));
    // A member is away, for long enough now and then that the others go on without it, or try all chains.
    if (!cuts || !dice.chance(0.3)) continue;
    net.faults.cut_off = {dice.below(static_cast<std::uint32_t>(members))};
    net.give(dice.below(static_cast<std::uint32_t>(members)), RequestRekey{kGroup});
    net.run(std::chrono::milliseconds(dice.chance(0.3) ? dice.below(15000) : dice.below(2500)));
    net.faults.cut_off.clear();
  }
  net.faults = {};
  net.run(200s);
  akm::testing::renew_if_exhausted(net, kGroup, members, group.description.policy);
  // One more on a good network: none may be left behind.
  for (std::size_t i = 0; i < 2; ++i) {
    net.give(i, RequestRekey{kGroup});
    net.give(i, RequestRekey{kLink});
    net.run(10s);
  }
  std::string why;
  if (!agreed(net, kGroup, members, why) || !agreed(net, kLink, 2, why)) net.violations.push_back(why);
  const auto view = net.view(0, kGroup);
  if (view && view->epoch < 2) net.violations.push_back("no rekey came through");
  for (const std::string& violation : net.violations) {
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), violation.c_str());
  }
  return {net.violations.empty(), net.commits, net.frames};
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t seeds = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 500;
  const std::uint64_t first = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  std::size_t failed = 0;
  std::size_t commits = 0;
  std::size_t frames = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const Outcome outcome = run(seed);
    failed += outcome.passed ? 0 : 1;
    commits += outcome.commits;
    frames += outcome.frames;
  }
  std::printf("%llu seeds, %zu failed; %zu commits, %zu frames\n", static_cast<unsigned long long>(seeds),
              failed, commits, frames);
  return failed == 0 && commits > seeds ? 0 : 1;
}
