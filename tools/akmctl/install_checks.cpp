#include "tools/akmctl/install_checks.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <array>
#include <filesystem>

#include "daemon/service/policy_file.h"
#include "tools/akmctl/names.h"

namespace akm::ctl {
namespace {

using dbus::Service;

constexpr std::array kServices{Service::node, Service::nmm, Service::root};
constexpr std::array<const char*, 3> kProgramFolders{"/usr/sbin/", "/usr/local/sbin/", "/usr/bin/"};
constexpr std::uint64_t kLittleSpace = std::uint64_t{16} << 20;
constexpr int kPatienceS = 10;

/// Where the daemon's program is; empty where it is not installed.
std::string program_path(const Machine& machine, Service service) {
  for (const char* folder : kProgramFolders) {
    const std::string path = std::string(folder) + program_of(service);
    if (machine.exists(path)) return machine.path(path);
  }
  return {};
}

std::string config_path(Service service) {
  return std::string("/etc/akm/") + program_of(service) + ".toml";
}

/// What it says of itself on the bus; empty where it is not there.
std::string running_version(const Sighting* sighting, Service service) {
  if (sighting == nullptr) return {};
  const auto of = [](const auto& status) { return status ? status->version : std::string(); };
  switch (service) {
    case Service::node:
      return of(sighting->node);
    case Service::nmm:
      return of(sighting->nmm);
    case Service::root:
      return of(sighting->root);
  }
  return {};
}

/// The last word of "akmd 0.1.0".
std::string installed_version(const Machine& machine, const std::string& program) {
  const auto ran = machine.run({program, "--version"}, kPatienceS);
  if (!ran || ran->exit_code != 0) return {};
  std::string text = ran->output.substr(0, ran->output.find('\n'));
  return text.substr(text.rfind(' ') + 1);
}

std::string permissions(const struct stat& info) {
  return fmt::format("owner {}, mode {:04o}", info.st_uid, info.st_mode & 07777U);
}

/// Root's, and written to by nobody else: what stands there decides whom the daemon believes.
void check_configuration(Checks& out, const Machine& machine, const std::string& file) {
  struct stat info{};
  if (lstat(machine.path(file).c_str(), &info) != 0) return;
  const bool ours = info.st_uid == 0 || info.st_uid == geteuid();
  if (ours && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0) {
    out.push_back({"permissions", file, Health::good, permissions(info), ""});
  } else {
    out.push_back({"permissions", file, Health::problem, permissions(info) + ": others can change it",
                   "chown root:root " + file + " && chmod go-w " + file});
  }
}

void check_state(Checks& out, const Machine& machine, Service service) {
  const std::string folder = std::string("/var/lib/") + program_of(service);
  struct stat info{};
  if (lstat(machine.path(folder).c_str(), &info) != 0) return;
  if ((info.st_mode & 0077U) != 0) {
    out.push_back({"permissions", folder, Health::problem, permissions(info) + ": it is the daemon's alone",
                   "chmod 0700 " + folder});
  } else {
    out.push_back({"permissions", folder, Health::good, permissions(info), ""});
  }
  struct statvfs space{};
  if (statvfs(machine.path(folder).c_str(), &space) != 0) return;
  const std::uint64_t left = std::uint64_t{space.f_bavail} * space.f_frsize;
  if (left < kLittleSpace || (space.f_files != 0 && space.f_favail < 64)) {
    out.push_back({"disk", folder, Health::warning,
                   fmt::format("{} KiB and {} files are free", left / 1024, std::uint64_t{space.f_favail}),
                   "free space: what cannot be stored is not begun"});
  } else {
    out.push_back({"disk", folder, Health::good, fmt::format("{} MiB are free", left >> 20), ""});
  }
}

}  // namespace

Checks daemon_checks(const Machine& machine, const Sighting* sighting) {
  Checks out;
  for (const Service service : kServices) {
    const std::string program = program_path(machine, service);
    const std::string running = running_version(sighting, service);
    const std::string name = program_of(service);
    if (running.empty()) {
      if (program.empty()) continue;  // not of this machine
      out.push_back({"daemons", name, Health::problem,
                     sighting == nullptr ? "cannot be asked: there is no bus" : "does not run",
                     "systemctl status " + name + " says why; systemctl start " + name});
      continue;
    }
    const std::string installed = program.empty() ? running : installed_version(machine, program);
    if (!installed.empty() && installed != running) {
      out.push_back({"daemons", name, Health::warning,
                     "runs version " + running + ", and " + installed + " is installed",
                     "systemctl restart " + name + ": no key is lost"});
    } else if (running != AKM_VERSION) {
      out.push_back({"daemons", name, Health::warning,
                     "runs version " + running + ", and this is akmctl " AKM_VERSION,
                     "install the same version of both"});
    } else {
      out.push_back({"daemons", name, Health::good, "runs version " + running, ""});
    }
  }
  if (out.empty()) {
    out.push_back({"daemons", "", Health::warning, "no daemon of AKM is installed or runs here",
                   "apt install akm-node (or akm-nmm, akm-root)"});
  }
  return out;
}

Checks configuration_checks(const Machine& machine) {
  Checks out;
  for (const Service service : kServices) {
    const std::string program = program_path(machine, service);
    const std::string file = config_path(service);
    if (program.empty()) continue;
    if (!machine.exists(file)) {
      out.push_back({"configuration", file, Health::problem, "is not there",
                     std::string(program_of(service)) + " --print-config > " + file});
      continue;
    }
    const auto ran = machine.run({program, "--config", machine.path(file), "--check-config"}, kPatienceS);
    if (ran && ran->exit_code == 0) {
      out.push_back({"configuration", file, Health::good, "is valid", ""});
    } else {
      const std::string why = ran ? ran->output.substr(0, ran->output.find('\n')) : ran.error().message();
      out.push_back({"configuration", file, Health::problem, why,
                     "mend it; " + std::string(program_of(service)) + " --print-config shows every key"});
    }
  }
  const std::string policy(service::kDefaultPolicyPath);
  if (!machine.exists(policy)) return out;
  const auto read = service::load_policy_file(machine.path(policy));
  if (read) {
    out.push_back({"configuration", policy, Health::good, "is valid", ""});
  } else {
    out.push_back({"configuration", policy, Health::problem, read.error().message(),
                   "mend it; akmctl policy check says more, akmctl policy example shows every key"});
  }
  return out;
}

Checks permission_checks(const Machine& machine) {
  Checks out;
  check_configuration(out, machine, "/etc/akm");
  for (const Service service : kServices) check_configuration(out, machine, config_path(service));
  check_configuration(out, machine, std::string(service::kDefaultPolicyPath));
  for (const Service service : kServices) check_state(out, machine, service);
  return out;
}

}  // namespace akm::ctl
