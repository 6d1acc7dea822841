#include "daemon/sentry/open_probes.h"

#include <chrono>
#include <utility>

#include "daemon/base/log.h"

namespace akm::sentry {

std::unique_ptr<bpf::ProbeSet> open_probes(const ProbeSettings& settings, const std::string& state_folder,
                                           std::vector<std::string>& findings) {
  if (!settings.enabled) {
    findings.emplace_back("Probes are switched off by the configuration: nothing is detected locally");
    return nullptr;
  }
  bpf::ProbeOptions options;
  options.state_folders = {state_folder};
  if (!settings.config_folder.empty()) options.config_folders = {settings.config_folder};
  options.pin_folder = settings.pin_folder;
  // Three missed heartbeats and a moment: then nobody watches.
  options.heartbeat_limit = std::chrono::seconds(3 * settings.check_interval_s + 10);
  auto probes = bpf::ProbeSet::open(options);
  if (probes) return std::move(*probes);
  findings.push_back("No probes, nothing is detected locally: " + probes.error().message());
  log::error("No probes", {{"AKM_ERROR", probes.error().message()}});
  return nullptr;
}

}  // namespace akm::sentry
