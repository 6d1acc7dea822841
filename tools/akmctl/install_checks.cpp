#include "tools/akmctl/install_checks.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <sstream>
#include <system_error>
#include <vector>

#include "daemon/service/policy_file.h"
#include "tools/akmctl/installed.h"
#include "tools/akmctl/names.h"

namespace akm::ctl {
namespace {

using dbus::Service;

constexpr std::uint64_t kLittleSpace = std::uint64_t{16} << 20;
constexpr int kPatienceS = 10;

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

/// One that says nothing of itself.
Check not_running(const Sighting* sighting, Service service) {
  const std::string name = program_of(service);
  if (sighting == nullptr)
    return {"daemons", name, Health::notice, "could not be asked: there is no bus", ""};
  const auto silent = sighting->silent.find(service);
  if (silent != sighting->silent.end() && silent->second.code == Errc::not_authorized)
    return unseen("daemons", name, silent->second);
  return {"daemons", name, Health::problem,
          silent == sighting->silent.end() ? "does not run"
                                           : "is on the bus and does not answer: " + silent->second.message(),
          "systemctl status " + name + " says why; systemctl restart " + name};
}

/// Root's, and written to by nobody else: what stands there decides whom the daemon believes.
void check_configuration(Checks& out, const Machine& machine, const std::string& file) {
  const auto info = machine.look(file);
  if (!info) {
    if (info.error().code != Errc::not_found) out.push_back(unseen("permissions", file, info.error()));
  } else if (info->st_uid == 0 && (info->st_mode & (S_IWGRP | S_IWOTH)) == 0) {
    out.push_back({"permissions", file, Health::good, permissions(*info), ""});
  } else {
    out.push_back({"permissions", file, Health::problem, permissions(*info) + ": others can change it",
                   "chown root:root " + file + " && chmod go-w " + file});
  }
}

/// A file and its drop-ins, with the folder that these are in.
void check_configuration_of(Checks& out, const Machine& machine, const std::string& file) {
  check_configuration(out, machine, file);
  const std::string folder = file + ".d";
  check_configuration(out, machine, folder);
  std::vector<std::string> names;
  std::error_code unreadable;  // check_configuration() has said so
  for (const auto& entry : std::filesystem::directory_iterator(machine.path(folder), unreadable))
    if (entry.path().extension() == ".toml") names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  for (const std::string& name : names) check_configuration(out, machine, folder + "/" + name);
}

/// The number of a user; none where this machine has no such user.
std::optional<uid_t> uid_of(const Machine& machine, const std::string& user) {
  std::istringstream in(machine.read("/etc/passwd").value_or(""));
  for (std::string line; std::getline(in, line);) {
    unsigned uid = 0;
    // NOLINTNEXTLINE(cert-err34-c): a line of another form is passed over
    if (line.starts_with(user + ":") && std::sscanf(line.c_str() + user.size(), ":%*[^:]:%u:", &uid) == 1)
      return uid;
  }
  return std::nullopt;
}

Check state_permissions(const Machine& machine, Service service, const std::string& folder,
                        const struct stat& info) {
  const std::string user = program_of(service);
  const auto uid = uid_of(machine, user);
  if ((info.st_mode & 0077U) != 0) {
    return {"permissions", folder, Health::problem, permissions(info) + ": it is the daemon's alone",
            "chmod 0700 " + folder};
  }
  if (uid && info.st_uid != *uid) {
    return {"permissions", folder, Health::problem,
            permissions(info) + fmt::format(": it is not the folder of {} ({})", user, *uid),
            "chown -R " + user + ": " + folder};
  }
  return {"permissions", folder, Health::good, permissions(info), ""};
}

/// Of the PIN of a token: to be read by nobody but its owner.
void check_pin(Checks& out, const Machine& machine, const std::string& file) {
  const auto info = machine.look(file);
  if (!info) {
    out.push_back(unseen("permissions", file, info.error()));
  } else if ((info->st_mode & 0077U) != 0) {
    out.push_back({"permissions", file, Health::problem,
                   permissions(*info) + ": others may use the PIN in it",
                   "chmod go= " + file + ", and change the PIN"});
  } else {
    out.push_back({"permissions", file, Health::good, permissions(*info), ""});
  }
}

void check_state(Checks& out, const Machine& machine, Service service) {
  const std::string standard = std::string("/var/lib/") + program_of(service);
  const auto settings = settings_of(machine, service);
  const std::string pin = settings ? text_in(*settings, "sealing.pin_file", "") : "";
  if (!pin.empty()) check_pin(out, machine, pin);
  const std::string folder = settings ? text_in(*settings, "state.folder", standard) : standard;
  const auto info = machine.look(folder);
  if (!info) {
    if (info.error().code != Errc::not_found) out.push_back(unseen("permissions", folder, info.error()));
    return;
  }
  out.push_back(state_permissions(machine, service, folder, *info));
  struct statvfs space{};
  if (statvfs(machine.path(folder).c_str(), &space) != 0) {
    out.push_back(unseen("disk", folder, {Errc::io_failed, "statvfs"}));
    return;
  }
  const std::uint64_t left = std::uint64_t{space.f_bavail} * space.f_frsize;
  if (left < kLittleSpace || (space.f_files != 0 && space.f_favail < 64)) {
    out.push_back({"disk", folder, Health::warning,
                   fmt::format("{} KiB and {} files are free", left / 1024, std::uint64_t{space.f_favail}),
                   "free space: what cannot be stored is not begun"});
  } else {
    out.push_back({"disk", folder, Health::good, fmt::format("{} MiB are free", left >> 20), ""});
  }
}

/// As the daemon's own program reads it.
Check check_file(const Machine& machine, const std::string& program, const std::string& file,
                 const std::string& name) {
  const auto readable = machine.read(file);
  if (!readable && readable.error().code == Errc::not_found) {
    return {"configuration", file, Health::problem, "is not there", name + " --print-config > " + file};
  }
  if (!readable) return unseen("configuration", file, readable.error());
  const auto ran = machine.run({program, "--config", machine.path(file), "--check-config"}, kPatienceS);
  if (!ran) return unseen("configuration", file, ran.error());
  if (ran->exit_code == 0) return {"configuration", file, Health::good, "is valid", ""};
  if (ran->exit_code < 0) return unseen("configuration", file, {Errc::timed_out, program});
  return {"configuration", file, Health::problem, ran->complaint(),
          "mend it; " + name + " --print-config shows every key"};
}

}  // namespace

Checks daemon_checks(const Machine& machine, const Sighting* sighting) {
  Checks out;
  for (const Service service : kServices) {
    const std::string program = program_path(machine, service);
    const std::string running = running_version(sighting, service);
    const std::string name = program_of(service);
    if (running.empty()) {
      const bool silent = sighting != nullptr && sighting->silent.contains(service);
      if (!program.empty() || silent) out.push_back(not_running(sighting, service));
      continue;  // else it is not of this machine
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
    if (!program.empty())
      out.push_back(check_file(machine, program, config_path(service), program_of(service)));
  }
  const std::string policy(service::kDefaultPolicyPath);
  const auto text = machine.read(policy);
  if (!text && text.error().code == Errc::not_found) return out;
  const auto read = service::load_policy_file(machine.path(policy));
  if (!text) {
    out.push_back(unseen("configuration", policy, text.error()));
  } else if (read) {
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
  for (const Service service : kServices) check_configuration_of(out, machine, config_path(service));
  check_configuration_of(out, machine, std::string(service::kDefaultPolicyPath));
  for (const Service service : kServices) check_state(out, machine, service);
  return out;
}

}  // namespace akm::ctl
