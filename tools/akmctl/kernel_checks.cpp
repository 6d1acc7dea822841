#include "tools/akmctl/kernel_checks.h"

#include <fmt/format.h>
#include <sys/timex.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <sstream>
#include <system_error>

namespace akm::ctl {
namespace {

constexpr std::uint64_t kKeysWanted = 64;  // of a daemon
constexpr std::uint64_t kNearly = 80;      // percent of a quota

Check kernel(const char* name, Health health, std::string says, std::string remedy = {}) {
  return {"kernel", name, health, std::move(says), std::move(remedy)};
}

std::string word(const Machine& machine, const std::string& path) {
  const auto text = machine.read(path);
  return text ? *text : std::string();
}

bool has_module(const std::string& list, std::string_view name) {
  std::istringstream in(list);
  for (std::string one; std::getline(in, one, ',');) {
    if (one == name) return true;
  }
  return false;
}

/// Where a file system of this type is mounted, besides other places.
bool mounted(const std::string& mounts, std::string_view type, std::string_view where) {
  std::istringstream in(mounts);
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string device, place, kind;
    fields >> device >> place >> kind;
    if (kind == type && place == where) return true;
  }
  return false;
}

constexpr const char* kBtf = "/sys/kernel/btf/vmlinux";
constexpr const char* kModules = "/sys/kernel/security/lsm";
constexpr const char* kLockdown = "/sys/kernel/security/lockdown";
constexpr const char* kMounts = "/proc/self/mounts";

bool has_tracefs(const std::string& mounts) {
  return mounted(mounts, "tracefs", "/sys/kernel/tracing") ||
         mounted(mounts, "tracefs", "/sys/kernel/debug/tracing");
}

Check version(const Machine& machine) {
  const auto release = machine.read("/proc/sys/kernel/osrelease");
  if (!release) return unseen("kernel", "version", release.error());
  int major = 0;
  int minor = 0;
  // NOLINTNEXTLINE(cert-err34-c): what is no version has the numbers 0
  (void)std::sscanf(release->c_str(), "%d.%d", &major, &minor);
  if (major < 5 || (major == 5 && minor < 10)) {
    return kernel("version", Health::problem, *release + " is older than what AKM is made for",
                  "Linux 5.10 or newer; 6.1 has all that AKM uses");
  }
  return kernel("version", Health::good, *release);
}

Check btf(const Machine& machine) {
  const auto there = machine.look(kBtf);
  if (there) return kernel("BTF", Health::good, "the kernel describes its types");
  if (there.error().code != Errc::not_found) return unseen("kernel", "BTF", there.error());
  return kernel("BTF", Health::problem, std::string("no ") + kBtf + ": no probe can be loaded",
                "a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions have it");
}

Check security_modules(const Machine& machine) {
  const auto list = machine.read(kModules);
  if (!list) {
    return kernel("security modules", Health::notice, "securityfs cannot be read",
                  "mount -t securityfs securityfs /sys/kernel/security, and ask as root");
  }
  if (has_module(*list, "bpf"))
    return kernel("security modules", Health::good, *list + ": acts can be denied");
  return kernel("security modules", Health::warning, *list + ": without bpf acts are seen and not denied",
                "add bpf to lsm= on the kernel's command line (lsm=" + (list->empty() ? "" : *list + ",") +
                    "bpf), if it has CONFIG_BPF_LSM");
}

Check lockdown(const Machine& machine) {
  const auto mode = machine.read(kLockdown);
  if (mode && mode->contains("[confidentiality]")) {
    return kernel("lockdown", Health::warning, "confidentiality: probes cannot read the kernel's memory",
                  "lockdown=integrity on the kernel's command line keeps them");
  }
  if (mode) return kernel("lockdown", Health::good, "does not hinder probes");
  const auto modules = machine.read(kModules);
  if (modules && !has_module(*modules, "lockdown"))
    return kernel("lockdown", Health::good, "this kernel has none");
  return unseen("kernel", "lockdown", mode.error());
}

Checks file_systems(const Machine& machine) {
  const auto mounts = machine.read(kMounts);
  if (!mounts) return {unseen("kernel", "bpffs and tracefs", mounts.error())};
  return {mounted(*mounts, "bpf", "/sys/fs/bpf")
              ? kernel("bpffs", Health::good, "the sensor outlives a restart of its daemon")
              : kernel("bpffs", Health::warning, "not at /sys/fs/bpf: the sensor ends with its daemon",
                       "mount -t bpf bpf /sys/fs/bpf; systemd does so at boot"),
          has_tracefs(*mounts)
              ? kernel("tracefs", Health::good, "tracepoints can be used")
              : kernel("tracefs", Health::warning, "not mounted: no tracepoint can be attached",
                       "mount -t tracefs tracefs /sys/kernel/tracing")};
}

Check io_uring(const Machine& machine) {
  const int error = machine.try_io_uring();
  if (error == 0) return kernel("io_uring", Health::good, "can be used");
  const std::string setting = word(machine, "/proc/sys/kernel/io_uring_disabled");
  if (!setting.empty() && setting != "0") {
    return kernel("io_uring", Health::notice,
                  "kernel.io_uring_disabled=" + setting + ": epoll is used instead",
                  "nothing has to be done; network.io_backend = \"epoll\" says that it is meant");
  }
  return kernel("io_uring", Health::notice,
                std::generic_category().message(error) + ": epoll is used instead",
                "nothing has to be done; a container or a seccomp filter may forbid it");
}

Check secret_memory(const Machine& machine) {
  if (machine.try_secret_memory() == 0)
    return kernel("secret memory", Health::good, "memfd_secret: not even the kernel's own tools can read it");
  return kernel("secret memory", Health::notice, "no memfd_secret: secrets are in locked memory instead",
                "secretmem.enable=1 on the kernel's command line (5.14 to 6.4); later ones have it on");
}

}  // namespace

Checks kernel_checks(const Machine& machine) {
  Checks out{version(machine), btf(machine), security_modules(machine), lockdown(machine)};
  std::ranges::move(file_systems(machine), std::back_inserter(out));
  out.push_back(io_uring(machine));
  out.push_back(secret_memory(machine));
  return out;
}

std::string tier_of(const Machine& machine) {
  const auto modules = machine.read(kModules);
  if (!machine.exists(kBtf) || word(machine, kLockdown).contains("[confidentiality]")) return "user space";
  if (!modules) return "not known: securityfs cannot be read";
  if (has_module(*modules, "bpf")) return "lsm";
  return has_tracefs(word(machine, kMounts)) ? "tracepoint" : "fentry";
}

Checks keyring_checks(const Machine& machine) {
  const auto quota = [](Health health, std::string says, std::string remedy = {}) {
    return Check{"keyring", "quota", health, std::move(says), std::move(remedy)};
  };
  const auto most = machine.read("/proc/sys/kernel/keys/maxkeys");
  if (!most && most.error().code == Errc::not_found && machine.exists("/proc/sys/kernel")) {
    return {quota(Health::problem, "this kernel has no key retention service",
                  "a kernel with CONFIG_KEYS; session keys stay in the process without it")};
  }
  if (!most) return {unseen("keyring", "quota", most.error())};
  Checks out;
  if (std::strtoull(most->c_str(), nullptr, 10) < kKeysWanted) {
    out.push_back(
        quota(Health::problem, "a user may have " + *most + " keys, too few for a daemon",
              "sysctl kernel.keys.maxkeys=2000 kernel.keys.maxbytes=200000, and the same in /etc/sysctl.d"));
  } else {
    out.push_back(quota(Health::good, *most + " keys of " + word(machine, "/proc/sys/kernel/keys/maxbytes") +
                                          " bytes for each user"));
  }
  const auto users = machine.read("/proc/key-users");
  if (!users) {
    out.push_back(unseen("keyring", "use of the quota", users.error()));
    return out;
  }
  std::istringstream in(*users);
  for (std::string line; std::getline(in, line);) {
    unsigned uid = 0;
    unsigned long used = 0, of = 0, bytes = 0, of_bytes = 0;
    // NOLINTNEXTLINE(cert-err34-c): a line of another form is passed over
    if (std::sscanf(line.c_str(), "%u: %*u %*u/%*u %lu/%lu %lu/%lu", &uid, &used, &of, &bytes, &of_bytes) !=
        5)
      continue;
    if (used * 100 < of * kNearly && bytes * 100 < of_bytes * kNearly) continue;
    out.push_back(
        quota(used < of && bytes < of_bytes ? Health::warning : Health::problem,
              fmt::format("user {} holds {} of {} keys, {} of {} bytes", uid, used, of, bytes, of_bytes),
              uid == 0 ? "raise kernel.keys.root_maxkeys and kernel.keys.root_maxbytes by sysctl"
                       : "raise kernel.keys.maxkeys and kernel.keys.maxbytes by sysctl"));
  }
  return out;
}

Checks clock_checks(const Machine& machine) {
  const int state = machine.clock_state();
  if (state < 0) return {unseen("clock", "clock", {Errc::io_failed, "adjtimex"})};
  if (state != TIME_ERROR) return {{"clock", "clock", Health::good, "is kept by a time service", ""}};
  return {{"clock", "clock", Health::notice,
           "nobody sets it: times in logs and incidents may be wrong, no key depends on them",
           "systemctl enable --now systemd-timesyncd, or chrony"}};
}

}  // namespace akm::ctl
