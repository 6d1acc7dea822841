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
  return out;
}

std::map<std::string, std::string> ProbeRecord::evidence() const {
  std::map<std::string, std::string> out{
      {"operation", operation}, {"outcome", std::string(outcome_name(outcome))}, {"source", source}};
  if (serial != 0) out["key"] = std::to_string(serial);
  if (!path.empty()) out["path"] = path;
  if (outcome == Outcome::refused) out["errno"] = std::to_string(-result);
  return out;
}

}  // namespace akm::bpf
