#include "tools/akmctl/way_checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/akmctl/age.h"
#include "tools/akmctl/kernel_checks.h"
#include "tools/akmctl/names.h"

namespace akm::ctl {
namespace {

constexpr int kFrameBytes = 1200;  // docs/protocol.md, section 4
constexpr int kHeaderBytes = 48;   // of IPv6 and UDP; IPv4 has fewer

Check nmm(const char* name, Health health, std::string says, std::string remedy = {}) {
  return {"network", name, health, std::move(says), std::move(remedy)};
}

/// The other one of the two in the provisioning relationship.
const MemberSnapshot* nmm_of(const AsrSnapshot& asr) {
  const auto at = std::ranges::find_if(asr.members,
                                       [&](const MemberSnapshot& one) { return one.index != asr.own_index; });
  return at == asr.members.end() ? nullptr : &*at;
}

void check_route(Checks& out, const Machine& machine, const std::string& endpoint) {
  const auto mtu = machine.mtu_to(endpoint);
  if (!mtu) {
    out.push_back(
        nmm("route", Health::problem, "none to " + endpoint + ": " + mtu.error().detail,
            "see ip route; the NMM's address is in the node's credentials (network.advertise there)"));
  } else if (*mtu < kFrameBytes + kHeaderBytes) {
    out.push_back(nmm("MTU", Health::problem, fmt::format("{} to {}: a frame does not pass", *mtu, endpoint),
                      fmt::format("raise the MTU of the way there to {} or more: frames are never fragmented",
                                  kFrameBytes + kHeaderBytes)));
  } else {
    out.push_back(nmm("MTU", Health::good, fmt::format("{} to {}", *mtu, endpoint)));
  }
}

/// How bad it is that an NMM was not heard, by what the node is at; as status says.
Health of_silence(node::NodeState state) {
  if (state == node::NodeState::activating) return Health::notice;
  return state == node::NodeState::provisioned ? Health::warning : Health::problem;
}

Check heard_or_not(const node::StatusSnapshot& node, const AsrSnapshot& asr, const MemberSnapshot& other) {
  const std::string heard = age(other.last_heard_ns, asr.now_ns);
  // The daemon's own word where it has one, so that this and status say the same.
  const bool silent = std::ranges::any_of(node.findings, [](const std::string& finding) {
    return finding.contains("The NMM does not answer") || finding.contains("not reached on any chain");
  });
  if (!silent && other.state == "heard")
    return nmm("NMM", Health::good, "was heard " + (heard.empty() ? "lately" : heard + " ago"));
  return nmm("NMM", silent ? Health::problem : of_silence(node.state),
             heard.empty() ? "was not heard since akmd has started"
                           : "does not answer; it was last heard " + heard + " ago",
             "look whether akm-nmmd runs there, and whether UDP gets through both ways");
}

}  // namespace

Checks way_checks(const Machine& machine, const Sighting& sighting) {
  if (!sighting.node) return {nmm("NMM", Health::notice, "not looked at: akmd does not tell where it is")};
  if (sighting.node->nmm_id == 0) return {};
  const auto asr = std::ranges::find(sighting.node_asrs, std::string("provisioning"), &AsrSnapshot::kind);
  const MemberSnapshot* const other = asr == sighting.node_asrs.end() ? nullptr : nmm_of(*asr);
  if (other == nullptr)
    return {nmm("NMM", Health::notice, "not looked at: akmd tells no relationship with it")};
  Checks out;
  for (const std::string& endpoint : other->endpoints) check_route(out, machine, endpoint);
  out.push_back(heard_or_not(*sighting.node, *asr, *other));
  return out;
}

Checks detection_checks(const Machine& machine, const Sighting* sighting) {
  Checks out;
  const auto add = [&](dbus::Service service, const auto& status) {
    for (const auto& [detection, tier] : status.probes) {
      const bool degraded = tier.contains("degraded");
      out.push_back({std::string("detections, ") + program_of(service), detection,
                     degraded ? Health::warning : Health::good, tier,
                     degraded ? "akm-detections(7) says what is missed; systemctl restart " +
                                    std::string(program_of(service)) + " tries anew"
                              : ""});
    }
  };
  if (sighting != nullptr && sighting->node) add(dbus::Service::node, *sighting->node);
  if (sighting != nullptr && sighting->nmm) add(dbus::Service::nmm, *sighting->nmm);
  if (!out.empty()) return out;
  out.push_back({"detections", "tier", Health::notice,
                 "no daemon told what it sees; the best that this kernel gives: " + tier_of(machine),
                 "what has to be done for a better one is said under \"kernel\""});
  return out;
}

}  // namespace akm::ctl
