#include "tools/akmctl/kernel_checks.h"

#include <fmt/format.h>
#include <sys/timex.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

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
bool mounted(const Machine& machine, std::string_view type, std::string_view where) {
  std::istringstream in(word(machine, "/proc/self/mounts"));
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string device, place, kind;
    fields >> device >> place >> kind;
    if (kind == type && place == where) return true;
  }
  return false;
}

bool has_btf(const Machine& machine) {
  return machine.exists("/sys/kernel/btf/vmlinux");
}
bool has_bpf_lsm(const Machine& machine) {
  return has_module(word(machine, "/sys/kernel/security/lsm"), "bpf");
}
bool has_tracefs(const Machine& machine) {
  return mounted(machine, "tracefs", "/sys/kernel/tracing") ||
         mounted(machine, "tracefs", "/sys/kernel/debug/tracing");
}
bool is_confidential(const Machine& machine) {
  return word(machine, "/sys/kernel/security/lockdown").contains("[confidentiality]");
}

Check version(const Machine& machine) {
  const std::string release = word(machine, "/proc/sys/kernel/osrelease");
  int major = 0;
  int minor = 0;
  // NOLINTNEXTLINE(cert-err34-c): what is no version has the numbers 0
  if (std::sscanf(release.c_str(), "%d.%d", &major, &minor) != 2)
    return kernel("version", Health::warning, "not known", "see that /proc is mounted");
  if (major < 5 || (major == 5 && minor < 10)) {
    return kernel("version", Health::problem, release + " is older than what AKM is made for",
                  "Linux 5.10 or newer; 6.1 has all that AKM uses");
  }
  return kernel("version", Health::good, release);
}

Check security_modules(const Machine& machine) {
  const auto list = machine.read("/sys/kernel/security/lsm");
  if (!list) {
    return kernel("security modules", Health::notice, "securityfs cannot be read",
                  "mount -t securityfs securityfs /sys/kernel/security, and ask as root");
  }
  if (has_bpf_lsm(machine)) return kernel("security modules", Health::good, *list + ": acts can be denied");
  return kernel("security modules", Health::warning, *list + ": without bpf acts are seen and not denied",
                "add bpf to lsm= on the kernel's command line (lsm=" + (list->empty() ? "" : *list + ",") +
                    "bpf), if it has CONFIG_BPF_LSM");
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
  return kernel("io_uring", Health::notice, std::string(std::strerror(error)) + ": epoll is used instead",
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
  Checks out{version(machine)};
  out.push_back(has_btf(machine)
                    ? kernel("BTF", Health::good, "the kernel describes its types")
                    : kernel("BTF", Health::problem, "no /sys/kernel/btf/vmlinux: no probe can be loaded",
                             "a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions have it"));
  out.push_back(security_modules(machine));
  if (is_confidential(machine)) {
    out.push_back(kernel("lockdown", Health::warning,
                         "confidentiality: probes cannot read the kernel's memory",
                         "lockdown=integrity on the kernel's command line keeps them"));
  } else {
    out.push_back(kernel("lockdown", Health::good, "does not hinder probes"));
  }
  out.push_back(mounted(machine, "bpf", "/sys/fs/bpf")
                    ? kernel("bpffs", Health::good, "the sensor outlives a restart of its daemon")
                    : kernel("bpffs", Health::warning, "not at /sys/fs/bpf: the sensor ends with its daemon",
                             "mount -t bpf bpf /sys/fs/bpf; systemd does so at boot"));
  out.push_back(has_tracefs(machine)
                    ? kernel("tracefs", Health::good, "tracepoints can be used")
                    : kernel("tracefs", Health::warning, "not mounted: no tracepoint can be attached",
                             "mount -t tracefs tracefs /sys/kernel/tracing"));
  out.push_back(io_uring(machine));
  out.push_back(secret_memory(machine));
  return out;
}

std::string tier_of(const Machine& machine) {
  if (!has_btf(machine)) return "user space";
  if (has_bpf_lsm(machine)) return "lsm";
  if (is_confidential(machine)) return "user space";
  return has_tracefs(machine) ? "fentry and tracepoint" : "fentry";
}

Checks keyring_checks(const Machine& machine) {
  Checks out;
  const auto add = [&](const char* name, Health health, std::string says, std::string remedy = {}) {
    out.push_back({"keyring", name, health, std::move(says), std::move(remedy)});
  };
  const std::string most = word(machine, "/proc/sys/kernel/keys/maxkeys");
  if (most.empty()) {
    add("quota", Health::problem, "this kernel has no key retention service",
        "a kernel with CONFIG_KEYS; session keys stay in the process without it");
    return out;
  }
  const std::uint64_t keys = std::strtoull(most.c_str(), nullptr, 10);
  if (keys < kKeysWanted) {
    add("quota", Health::problem, "a user may have " + most + " keys, too few for a daemon",
        "sysctl kernel.keys.maxkeys=2000 kernel.keys.maxbytes=200000, and the same in /etc/sysctl.d");
  } else {
    add("quota", Health::good,
        most + " keys of " + word(machine, "/proc/sys/kernel/keys/maxbytes") + " bytes for each user");
  }
  std::istringstream in(word(machine, "/proc/key-users"));
  for (std::string line; std::getline(in, line);) {
    unsigned uid = 0;
    unsigned long used = 0, of = 0, bytes = 0, of_bytes = 0;
    // NOLINTNEXTLINE(cert-err34-c): a line of another form is passed over
    if (std::sscanf(line.c_str(), "%u: %*u %*u/%*u %lu/%lu %lu/%lu", &uid, &used, &of, &bytes, &of_bytes) !=
        5)
      continue;
    if (used * 100 < of * kNearly && bytes * 100 < of_bytes * kNearly) continue;
    add("quota", Health::warning,
        fmt::format("user {} holds {} of {} keys, {} of {} bytes", uid, used, of, bytes, of_bytes),
        uid == 0 ? "raise kernel.keys.root_maxkeys and kernel.keys.root_maxbytes by sysctl"
                 : "raise kernel.keys.maxkeys and kernel.keys.maxbytes by sysctl");
  }
  return out;
}

Checks clock_checks(const Machine& machine) {
  if (machine.clock_state() != TIME_ERROR)
    return {{"clock", "clock", Health::good, "is kept by a time service", ""}};
  return {{"clock", "clock", Health::notice,
           "nobody sets it: times in logs and incidents may be wrong, no key depends on them",
           "systemctl enable --now systemd-timesyncd, or chrony"}};
}

}  // namespace akm::ctl
