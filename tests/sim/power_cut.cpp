// The power is cut at every write of every member, the record written or lost, of one machine or of the whole
// site, while keys are agreed on by all three chains, generations change and requests are executed
// (protocol.md, sections 5 and 6: candidate before SEF, commit before erasure, executed ids before the
// execution). Nobody may be lost, no number used twice, no request executed twice, and all must meet in the
// end.
#include <cstdio>

#include "tests/support/agreement.h"

namespace {

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;
using akm::testing::EngineNet;
using akm::testing::install;
using akm::testing::PowerCut;

constexpr AsrId kGroup = 0x1111;
constexpr AsrId kLink = 0x2222;
constexpr std::size_t kMembers = 5;

Asr group(EngineNet& net, std::uint32_t generation, Quorum quorum) {
  Asr asr = net.make_asr(kGroup, generation, kMembers);
  Policy& policy = asr.description.policy;
  policy.quorum = quorum;
  policy.nnrt_ms = 300;
  policy.nset_ms = 800;
  policy.fbset_ms = 1500;
  policy.fsset_ms = 2000;
  policy.resync_min_interval_s = 1;
  return asr;
}

void rekey(EngineNet& net, AsrId id, Duration span) {
  net.give(0, RequestRekey{id});
  net.run(span);
}

void ask(EngineNet& net, std::size_t from, std::uint8_t number) {
  SendRequest request;
  request.asr_id = kLink;
  request.method = Method::breach_report;
  request.body = {0xa1, 0x61, 'i', number};
  net.give(from, std::move(request));
  net.run(500ms);
}

/// Everybody takes part: rekeys, a new generation that is installed and switched to, requests both ways.
void together(EngineNet& net) {
  install(net, group(net, 1, Quorum::all));
  install(net, net.make_asr(kLink, 1, 2, Kind::provisioning));
  rekey(net, kGroup, 2s);
  rekey(net, kLink, 2s);
  ask(net, 0, 1);
  ask(net, 1, 2);
  install(net, group(net, 2, Quorum::all));
  for (std::size_t i = 0; i < kMembers; ++i) net.give(i, SwitchGeneration{kGroup, 2});
  net.run(2s);
  rekey(net, kGroup, 2s);
}

/// Members that are away come back by the fallback chain, and one that missed that by the failsafe chain.
void apart(EngineNet& net) {
  net.all_take_part = false;
  install(net, group(net, 1, Quorum::majority));
  install(net, net.make_asr(kLink, 1, 2, Kind::provisioning));
  net.faults.cut_off = {3, 4};
  rekey(net, kGroup, 3s);
  net.faults.cut_off = {4};
  net.run(6s);
  net.faults.cut_off.clear();
  net.run(12s);
}

using Story = void (*)(EngineNet&);

bool survives(Story story, const char* name, const std::optional<PowerCut>& cut, std::size_t* writes) {
  EngineNet net(kMembers, 4711);
  net.power_cut = cut;
  story(net);
  if (writes != nullptr) *writes = net.stores;
  net.run(200s);
  akm::testing::renew_if_exhausted(net, kGroup, kMembers, group(net, 1, Quorum::all).description.policy);
  for (std::size_t i = 0; i < 2; ++i) {
    net.give(i, RequestRekey{kGroup});
    net.give(i, RequestRekey{kLink});
    net.run(10s);
  }
  std::string why;
  if (!agreed(net, kGroup, kMembers, why) || !agreed(net, kLink, 2, why)) net.violations.push_back(why);
  for (const std::string& violation : net.violations) {
    std::printf("%s: power cut at write %zu of node %zu (%s, %s): %s\n", name, cut->write, cut->node,
                cut->kept ? "kept" : "lost", cut->everywhere ? "everywhere" : "there only",
                violation.c_str());
  }
  return net.violations.empty();
}

}  // namespace

int main() {
  std::size_t runs = 0;
  std::size_t failed = 0;
  for (const auto& [story, name] : {std::pair<Story, const char*>{together, "together"}, {apart, "apart"}}) {
    std::size_t writes = 0;
    // Without a cut first: how many writes there are in all; no node has more.
    if (!survives(story, name, PowerCut{.node = 0, .write = 0}, &writes)) ++failed;
    for (PowerCut cut; cut.node < kMembers; ++cut.node) {
      for (cut.write = 1; cut.write <= writes / kMembers + 6; ++cut.write) {
        for (const unsigned how : {0U, 1U, 2U, 3U}) {
          cut.kept = (how & 1) != 0;
          cut.everywhere = (how & 2) != 0;
          ++runs;
          if (!survives(story, name, cut, nullptr)) ++failed;
        }
      }
    }
  }
  std::printf("%zu power cuts, %zu failed\n", runs, failed);
  return failed == 0 && runs > 100 ? 0 : 1;
}
