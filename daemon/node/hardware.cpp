#include "daemon/node/hardware.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "keyring/sealer.h"

namespace akm::node {

TpmWays tpm_ways(const std::string& tcti) {
  if (!keyring::tpm_is_expected(tcti)) return {};
  const keyring::TpmOpener opener = keyring::tpm_opener(tcti.empty() ? keyring::kDefaultTcti : tcti);
  return {keyring::tpm_quoter(tcti),
          [opener]() -> Result<keyring::TpmIdentity> {
            AKM_ASSIGN(const std::unique_ptr<keyring::TpmContext> tpm, opener());
            return keyring::read_tpm_identity(*tpm);
          },
          [opener](const keyring::TpmImport& wrapped) -> Result<keyring::TpmImported> {
            AKM_ASSIGN(const std::unique_ptr<keyring::TpmContext> tpm, opener());
            return keyring::import_from(*tpm, wrapped);
          }};
}

Result<ControlPort::HardwareIdentity> Hardware::identity() {
  if (kept_) return *kept_;
  if (waiting_) return std::unexpected(*waiting_);
  AKM_ASSIGN(keyring::HardwareSources sources, collect_());
  AKM_TRY(keep(std::move(sources)));
  return *kept_;
}

Status Hardware::keep(keyring::HardwareSources sources) {
  std::vector<protocol::HardwareSource> named;
  for (const auto& [name, value] : sources) named.push_back({name, value});
  AKM_ASSIGN(const protocol::HardwareValue value, protocol::hardware_value(named));
  kept_ = ControlPort::HardwareIdentity{{value.begin(), value.end()}, std::move(sources)};
  return {};
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
  named.reserve(found.sources.size());
  for (const auto& [name, value] : found.sources) named.push_back({name, value});
  return protocol::source_digests(named);
}

}  // namespace akm::node
