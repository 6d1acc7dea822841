#include "bpf/loader/probe_record.h"

#include <algorithm>

namespace akm::bpf {

std::string_view watch_name(Watch watch) {
  switch (watch) {
    case Watch::key:
      return "key";
    case Watch::process:
      return "process";
    case Watch::state:
      return "state";
    case Watch::config:
      return "config";
    case Watch::inspection:
      return "inspection";
    case Watch::kernel_memory:
      return "kernel-memory";
    case Watch::module:
      return "module";
    case Watch::bpf_use:
      return "bpf-use";
    case Watch::bpf_ours:
      return "bpf-ours";
    case Watch::sensor:
      return "sensor";
    case Watch::signal:
      return "signal";
    case Watch::tpm:
      return "tpm";
    case Watch::mount:
      return "mount";
    case Watch::core_dump:
      return "core-dump";
    case Watch::hardening:
      return "hardening";
    case Watch::mac:
      return "mac";
    case Watch::kexec:
      return "kexec";
    case Watch::debugger:
      return "debugger";
    case Watch::fileless:
      return "fileless";
    case Watch::foreign_code:
      return "foreign-code";
    case Watch::service:
      return "service";
    case Watch::io_uring:
      return "io-uring";
    case Watch::consumer_keys:
      return "consumer-keys";
    case Watch::packet:
      return "packet";
    case Watch::clock:
      return "clock";
    case Watch::privilege:
      return "privilege";
    case Watch::log:
      return "log";
  }
  return "unknown";
}

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::succeeded:
      return "succeeded";
    case Outcome::refused:
      return "refused";
    case Outcome::unknown:
      return "unknown";
  }
  return "unknown";
}

std::string printable(std::string_view bytes, std::size_t limit) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes.substr(0, std::min(limit, bytes.size()))) {
    if (c == '\0') break;
    if (c >= ' ' && c <= '~' && c != '\\') {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

std::map<std::string, std::string> ProbeRecord::subject() const {
  std::map<std::string, std::string> out{{"pid", std::to_string(pid)}, {"tgid", std::to_string(tgid)}};
  if (uid) out["uid"] = std::to_string(*uid);
  if (!comm.empty()) out["comm"] = comm;
  if (cgroup_id != 0) out["cgroup"] = std::to_string(cgroup_id);
  if (started_boottime_ns != 0) out["started"] = std::to_string(started_boottime_ns);
  if (!executable.empty()) out["executable"] = executable;
  if (executable_inode != 0) {
    out["executable_inode"] = std::to_string(executable_device >> 20) + ":" +
                              std::to_string(executable_device & 0xfffff) + ":" +
                              std::to_string(executable_inode);
  }
  if (!digest.empty()) out["digest"] = digest;
  if (parent_tgid != 0) out["parent"] = std::to_string(parent_tgid);
  if (!parent_comm.empty()) out["parent_comm"] = parent_comm;
  return out;
}

std::map<std::string, std::string> ProbeRecord::evidence() const {
  std::map<std::string, std::string> out{
      {"operation", operation}, {"outcome", std::string(outcome_name(outcome))}, {"source", source}};
  if (serial != 0) out["key"] = std::to_string(serial);
  if (!path.empty()) out["path"] = path;
  if (target != 0) out["target"] = std::to_string(target);
  if (argument != 0) out["argument"] = std::to_string(argument);
  if (unwatched) out["unwatched"] = "yes";
  if (outcome == Outcome::refused) out["errno"] = std::to_string(-result);
  return out;
}

}  // namespace akm::bpf
