#include "daemon/sentry/probe_settings.h"

#include <algorithm>

namespace akm::sentry {

namespace {

constexpr std::string_view kPins = "/sys/fs/bpf/akm/";

}  // namespace

void add_probe_settings(service::Schema& schema, std::string_view daemon) {
  schema.push_back(
      {.name = "probes.enabled",
       .standard = true,
       .doc = "Watch keys, process and folders with BPF. Without it nothing is detected locally.",
       .choices = {}});
  schema.push_back({.name = "probes.config_folder",
                    .standard = std::string("/etc/akm"),
                    .doc = "Folder whose changes are evidence; empty for none.",
                    .choices = {}});
  schema.push_back({.name = "probes.check_interval_s",
                    .standard = std::int64_t{5},
                    .doc = "Seconds between heartbeats of the probes.",
                    .minimum = 1,
                    .maximum = 3600,
                    .choices = {}});
  schema.push_back(
      {.name = "probes.pin_folder",
       .standard = std::string(kPins) + std::string(daemon),
       .doc = "Folder on a mounted bpffs in which the probes outlive the daemon, and the next one takes them "
              "up; empty: they end with it. Each daemon has its own; where it cannot be had they are not "
              "pinned, and Probes says why.",
       .choices = {}});
  schema.push_back({.name = "probes.our_programs",
                    .standard = std::vector<std::string>(),
                    .doc = "Files of AKM's daemons on this machine, whose BPF programs are no news; empty: "
                           "akmd, akm-nmmd and akm-rootd in this one's folder.",
                    .choices = {}});
}

Result<ProbeSettings> probe_settings(const service::Config& config) {
  ProbeSettings out;
  out.enabled = config.boolean("probes.enabled");
  out.config_folder = config.text("probes.config_folder");
  out.pin_folder = config.text("probes.pin_folder");
  out.check_interval_s = static_cast<std::uint32_t>(config.integer("probes.check_interval_s"));
  out.our_programs = config.list("probes.our_programs");
  const bool absolute =
      std::ranges::all_of(out.our_programs, [](const std::string& one) { return one.starts_with('/'); });
  if (!absolute || out.our_programs.size() > kOurProgramsMax)
    return std::unexpected(config.invalid("probes.our_programs", "at most 16 absolute paths"));
  return out;
}

}  // namespace akm::sentry
