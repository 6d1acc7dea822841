#include "daemon/watch/interfaces.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>
#include <string>
#include <utility>

namespace akm::watch {
namespace {

std::uint32_t number_in(std::span<const std::uint8_t> bytes) {
  std::uint32_t out = 0;
  if (bytes.size() >= sizeof out) std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

void add_interface(Facts& facts, std::span<const std::uint8_t> payload) {
  const auto name = attribute(payload, sizeof(ifinfomsg), IFLA_IFNAME);
  // A port of a bridge or a bond is promiscuous by its nature.
  if (name.empty() || !attribute(payload, sizeof(ifinfomsg), IFLA_MASTER).empty()) return;
  const std::uint32_t users = number_in(attribute(payload, sizeof(ifinfomsg), IFLA_PROMISCUITY));
  const char* const text = reinterpret_cast<const char*>(name.data());
  facts.emplace("interface " + std::string(text, ::strnlen(text, name.size())),
                users == 0 ? "plain" : "promiscuous");
}

Result<Facts> interface_facts() {
  AKM_ASSIGN(auto route, Netlink::open(NETLINK_ROUTE));
  Facts facts;
  const ifinfomsg all{};
  const std::span body(reinterpret_cast<const std::uint8_t*>(&all), sizeof all);
  AKM_TRY(route.ask(RTM_GETLINK, NLM_F_DUMP, body,
                    [&](std::uint16_t type, std::span<const std::uint8_t> payload) {
                      if (type == RTM_NEWLINK) add_interface(facts, payload);
                    }));
  return facts;
}

void judge_interfaces(const Differences& differences, Instant now, const Tell& tell) {
  for (const Change& change : differences.changes) {
    // Interfaces come and go; what counts is the mode.
    if (change.after != "promiscuous" && change.before != "promiscuous") {
      differences.baseline.accept(change.name);
      continue;
    }
    Change told = change;
    told.back = change.after != "promiscuous";
    tell(seen(policy::DetectionClass::packet_capture, now, told));
  }
}

}  // namespace

Interfaces::Interfaces(RunAside run_aside)
    : aside_(std::move(run_aside), Duration{0}, interface_facts, judge_interfaces) {
  if (auto events = Netlink::open(NETLINK_ROUTE, RTMGRP_LINK)) events_.emplace(std::move(*events));
}

}  // namespace akm::watch
