// Covers what the kernel's tables say, with names that anybody may have chosen: watch::parse_mount_table,
// watch::executable_mappings, watch::snmp_counter, watch::lockdown_mode and enforced_profiles, and the
// attributes of netlink messages. The first byte chooses.
#include <algorithm>
#include <array>

#include "daemon/watch/mac_state.h"
#include "daemon/watch/mount_table.h"
#include "daemon/watch/netlink.h"
#include "daemon/watch/network_counters.h"
#include "daemon/watch/own_code.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using akm::fuzz::as_text;
using akm::fuzz::require;

namespace {

using Bytes = std::span<const std::uint8_t>;

void mounts(Bytes text) {
  const auto table = watch::parse_mount_table(as_text(text));
  for (const watch::Mount& one : table) require(one.point.starts_with('/'), "a mount point is absolute");
  const watch::Mount* on = watch::mount_of(table, "/var/lib/akmd");
  if (on != nullptr) require(std::string_view("/var/lib/akmd").starts_with(on->point), "and above the path");
}

void mappings(Bytes text) {
  for (const std::string& one : watch::executable_mappings(as_text(text)))
    require(!one.empty() && one.find('\n') == std::string::npos, "a mapping has a name on one line");
}

void counters(Bytes text) {
  (void)watch::snmp_counter(as_text(text), "Tcp", "OutRsts");
  (void)watch::snmp_counter(as_text(text), "Udp", "NoPorts");
}

void modes(Bytes text) {
  require(watch::lockdown_mode(as_text(text)).size() <= text.size(), "a mode is a part of the text");
  require(watch::enforced_profiles(as_text(text)) <= text.size(), "a profile has a name");
}

void attributes(Bytes message) {
  for (const std::uint16_t type : {std::uint16_t{1}, std::uint16_t{3}, std::uint16_t{30}}) {
    const Bytes value = watch::attribute(message, 16, type);
    require(value.empty() || (value.data() >= message.data() &&
                              value.data() + value.size() <= message.data() + message.size()),
            "an attribute stands in its message");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::array kReaders{&mounts, &mappings, &counters, &modes, &attributes};
  fuzz::Input input(data, size);
  const std::size_t which = input.below(kReaders.size());
  kReaders[which](input.rest());
  return 0;
}
