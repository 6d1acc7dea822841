#include "daemon/watch/interfaces.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>
#include <string>

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

}  // namespace

Interfaces::Interfaces() {
  if (auto events = Netlink::open(NETLINK_ROUTE, RTMGRP_LINK)) events_.emplace(std::move(*events));
}

void Interfaces::look(Instant now, const Tell& tell) {
  auto route = Netlink::open(NETLINK_ROUTE);
  if (!route) return;
  Facts facts;
  const ifinfomsg all{};
  const std::span body(reinterpret_cast<const std::uint8_t*>(&all), sizeof all);
  const Status asked = route->ask(RTM_GETLINK, NLM_F_DUMP, body,
                                  [&](std::uint16_t type, std::span<const std::uint8_t> payload) {
                                    if (type == RTM_NEWLINK) add_interface(facts, payload);
                                  });
  if (!asked) return;
  for (const Change& change : baseline_.compare(std::move(facts))) {
    // Interfaces come and go; what counts is the mode.
    if (change.after != "promiscuous" && change.before != "promiscuous") {
      baseline_.accept(change.name);
      continue;
    }
    Change told = change;
    told.back = change.after != "promiscuous";
    tell(seen(policy::DetectionClass::packet_capture, now, told));
  }
}

}  // namespace akm::watch
