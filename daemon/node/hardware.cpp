#include "daemon/node/hardware.h"

#include <algorithm>
#include <vector>

namespace akm::node {

Result<ControlPort::HardwareIdentity> Hardware::identity() {
  if (kept_) return *kept_;
  AKM_ASSIGN(keyring::HardwareSources sources, collect_());
  std::vector<protocol::HardwareSource> named;
  for (const auto& [name, value] : sources) named.push_back({name, value});
  AKM_ASSIGN(const protocol::HardwareValue value, protocol::hardware_value(named));
  kept_ = ControlPort::HardwareIdentity{{value.begin(), value.end()}, std::move(sources)};
  return *kept_;
}

Result<protocol::HardwareValue> Hardware::value() {
  AKM_ASSIGN(const ControlPort::HardwareIdentity found, identity());
  protocol::HardwareValue out{};
  std::ranges::copy(found.value, out.begin());
  return out;
}

Result<protocol::SourceDigests> Hardware::digests() {
  AKM_ASSIGN(const ControlPort::HardwareIdentity found, identity());
  std::vector<protocol::HardwareSource> named;
  for (const auto& [name, value] : found.sources) named.push_back({name, value});
  return protocol::source_digests(named);
}

}  // namespace akm::node
