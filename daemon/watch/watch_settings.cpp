#include "daemon/watch/watch_settings.h"

#include <algorithm>

#include "daemon/watch/tamper_inputs.h"

namespace akm::watch {
namespace {

void add_number(service::Schema& schema, const char* name, std::int64_t standard, std::int64_t minimum,
                std::int64_t maximum, const char* doc) {
  schema.push_back({.name = std::string("watch.") + name,
                    .standard = standard,
                    .doc = doc,
                    .minimum = minimum,
                    .maximum = maximum,
                    .choices = {}});
}

Status check_paths(const service::Config& config, const char* name, const std::vector<std::string>& paths) {
  if (paths.size() > kTamperInputsMax ||
      !std::ranges::all_of(paths, [](const std::string& one) { return one.starts_with('/'); }))
    return std::unexpected(config.invalid(name, "must be at most 32 absolute paths"));
  return {};
}

}  // namespace

bool WatchSettings::looks_for(policy::DetectionClass detection) const {
  return enabled && std::ranges::find(off, detection) == off.end();
}

void add_watch_settings(service::Schema& schema) {
  const WatchSettings standard;
  const auto list = [&schema](const char* name, const char* doc) {
    schema.push_back({.name = std::string("watch.") + name,
                      .standard = std::vector<std::string>(),
                      .doc = doc,
                      .choices = {}});
  };
  schema.push_back({.name = "watch.enabled",
                    .standard = standard.enabled,
                    .doc = "Compare the machine's settings, mounts, devices and services with how they were.",
                    .choices = {}});
  list(
      "off",
      "Classes that are not looked for in this way: packet-capture, usb-insertion, ... (akm-detections(7)).");
  add_number(schema, "interval_s", standard.interval_s, 5, 3600,
             "Seconds between looks at what announces no changes.");
  add_number(schema, "tpm_interval_s", standard.tpm_interval_s, 10, 86400,
             "Seconds between questions to the TPM: lockout, resets.");
  add_number(schema, "hardware_interval_s", standard.hardware_interval_s, 10, 86400,
             "Seconds between comparisons of the hardware's identity.");
  add_number(schema, "clock_jump_ms", standard.clock_jump_ms, 10, 86400000,
             "A wall clock that is set by so many milliseconds is told.");
  add_number(schema, "scan_rate", standard.scan_rate, 1, 1000000,
             "So many refused connections and datagrams a second are a scan.");
  list("tamper_inputs",
       "Files whose change is a tamper alarm (a GPIO's value), and /dev/input/ devices whose switches are. "
       "Chassis intrusion of hwmon is watched without.");
  list("library_folders",
       "Folders, beside the system's, of libraries that the daemon may load later: a PKCS#11 module's.");
}

Result<WatchSettings> watch_settings(const service::Config& config) {
  WatchSettings out;
  out.enabled = config.boolean("watch.enabled");
  for (const std::string& name : config.list("watch.off")) {
    const auto detection = policy::detection_by_name(name);
    if (!detection) return std::unexpected(config.invalid("watch.off", "no such class: " + name));
    out.off.push_back(*detection);
  }
  const auto number = [&config](const char* name) {
    return static_cast<std::uint32_t>(config.integer(std::string("watch.") + name));
  };
  out.interval_s = number("interval_s");
  out.tpm_interval_s = number("tpm_interval_s");
  out.hardware_interval_s = number("hardware_interval_s");
  out.clock_jump_ms = number("clock_jump_ms");
  out.scan_rate = number("scan_rate");
  out.tamper_inputs = config.list("watch.tamper_inputs");
  out.library_folders = config.list("watch.library_folders");
  AKM_TRY(check_paths(config, "watch.tamper_inputs", out.tamper_inputs));
  AKM_TRY(check_paths(config, "watch.library_folders", out.library_folders));
  return out;
}

}  // namespace akm::watch
