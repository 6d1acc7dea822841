#include "daemon/service/hardware_settings.h"

#include <utility>

namespace akm::service {

void add_hardware_settings(Schema& schema) {
  std::vector<std::string> sources;
  for (const keyring::HardwareSource source : keyring::all_hardware_sources()) {
    sources.emplace_back(keyring::hardware_source_name(source));
  }
  schema.push_back({.name = "hardware.sources",
                    .standard = std::move(sources),
                    .doc = "What the hardware value is made of; what is not there is left out.",
                    .choices = {}});
  schema.push_back(
      {.name = "hardware.sysfs_root",
       .standard = std::string("/sys"),
       .doc = "Where class/dmi/id, class/net and block are; another root makes many nodes on one machine.",
       .choices = {}});
  schema.push_back({.name = "hardware.interface",
                    .standard = std::string(),
                    .doc = "Network interface whose permanent MAC counts; empty is the lowest with one.",
                    .choices = {}});
}

Result<keyring::HardwareOptions> hardware_settings(const Config& config, const Settings& common) {
  keyring::HardwareOptions out;
  out.sources.clear();
  for (const std::string& name : config.list("hardware.sources")) {
    const auto source = keyring::parse_hardware_source(name);
    if (!source) return std::unexpected(config.invalid("hardware.sources", "no such source: " + name));
    out.sources.push_back(*source);
  }
  // Without the TPM as sealer there may still be one, but a value that depends on a device that the operator
  // has switched off would surprise.
  if (common.sealing != SealingChoice::software) out.tcti = common.tcti;
  out.sysfs_root = config.text("hardware.sysfs_root");
  out.interface = config.text("hardware.interface");
  return out;
}

}  // namespace akm::service
