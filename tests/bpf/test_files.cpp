// D3, D4, D9, D12, D13, D14, D18 and D19: opened files and named paths, an attack and a benign act for each
// row.
#include <fcntl.h>
#include <liburing.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>

#include "tests/bpf/rows.h"

using namespace akm::bpf;
using namespace akm::bpf::test;

namespace {

pid_t ours = 0;

std::string of_ours(const char* name) {
  return "/proc/" + std::to_string(ours) + "/" + name;
}

int opens(const std::string& path, int flags = O_RDONLY) {
  if (::open(path.c_str(), flags | O_CLOEXEC) >= 0) return 0;
  if (errno == ENOENT || errno == ENXIO || errno == ENODEV || errno == EROFS) {
    std::printf("# %s: not here\n", path.c_str());
    return kNotHere;
  }
  std::printf("# %s: errno %d\n", path.c_str(), errno);
  return 1;
}

int opens_by_io_uring(const std::string& folder, const char* name, int flags) {
  io_uring ring{};
  if (::io_uring_queue_init(4, &ring, 0) != 0) return kNotHere;
  const int at = ::open(folder.c_str(), O_PATH | O_CLOEXEC);
  io_uring_sqe* sqe = ::io_uring_get_sqe(&ring);
  ::io_uring_prep_openat(sqe, at, name, flags, 0);
  (void)::io_uring_submit(&ring);
  io_uring_cqe* cqe = nullptr;
  (void)::io_uring_wait_cqe(&ring, &cqe);
  return cqe->res >= 0 ? 0 : 1;
}

void inspection(ProbeSet& probes) {
  Row row(probes, "D3", Watch::inspection);
  for (const char* name : {"environ", "maps", "auxv", "syscall"})
    row.test(Kind::attack, "opens " + std::string(name) + " of the daemon",
             [&] { return opens(of_ours(name)); });
  row.test(Kind::attack, "lists the daemon's descriptors",
           [] { return opens(of_ours("fd"), O_RDONLY | O_DIRECTORY); });
  row.test(Kind::around, "by the folder's descriptor", [] {
    const int folder = ::open(of_ours("").c_str(), O_PATH);
    return ::openat(folder, "environ", O_RDONLY) >= 0 ? 0 : 1;
  });
  row.test(Kind::around, "by the task folder",
           [] { return opens(of_ours(("task/" + std::to_string(ours) + "/maps").c_str())); });
  row.test(Kind::around, "by io_uring, relative",
           [] { return opens_by_io_uring(of_ours(""), "environ", O_RDONLY); });
  row.test(Kind::benign, "reads what ps and top read", [] {
    for (const char* name : {"stat", "status", "cmdline", "comm", "cgroup"}) {
      if (opens(of_ours(name)) != 0) return 1;
    }
    return opens("/proc/self/maps");
  });
}

void kernel_memory(ProbeSet& probes, const std::string& folder) {
  Row row(probes, "D4", Watch::kernel_memory);
  row.test(Kind::attack, "opens /dev/mem", [] { return opens("/dev/mem"); });
  row.test(Kind::attack, "opens /proc/kcore", [] { return opens("/proc/kcore"); });
  row.test(Kind::around, "by a device node of its own", [&] {
    const std::string node = folder + "/innocent";
    if (::mknod(node.c_str(), S_IFCHR | 0600, makedev(1, 1)) != 0) return kNotHere;
    return opens(node);
  });
  row.test(Kind::benign, "opens /dev/null and /dev/urandom",
           [] { return opens("/dev/null") | opens("/dev/urandom"); });
}

void tpm(ProbeSet& probes) {
  Row row(probes, "D9", Watch::tpm);
  row.test(Kind::attack, "opens the TPM", [] { return opens("/dev/tpmrm0", O_RDWR); });
  row.test(Kind::benign, "looks at the TPM's node", [] {
    struct stat status{};
    return ::stat("/dev/tpmrm0", &status) == 0 || errno == ENOENT ? 0 : 1;
  });
}

/// Opens for writing and writes nothing: the sysctl keeps its value.
void sysctls(ProbeSet& probes) {
  Row dump(probes, "D12", Watch::core_dump);
  dump.test(Kind::attack, "opens core_pattern for writing",
            [] { return opens("/proc/sys/kernel/core_pattern", O_WRONLY); });
  dump.test(Kind::attack, "opens suid_dumpable for writing",
            [] { return opens("/proc/sys/fs/suid_dumpable", O_WRONLY); });
  dump.test(Kind::around, "relative, by the folder's descriptor", [] {
    const int folder = ::open("/proc/sys/kernel", O_PATH);
    return ::openat(folder, "core_pattern", O_WRONLY) >= 0 ? 0 : errno == EROFS ? kNotHere : 1;
  });
  dump.test(Kind::around, "by io_uring, relative",
            [] { return opens_by_io_uring("/proc/sys/kernel", "core_pattern", O_WRONLY); });
  dump.test(Kind::around, "by another procfs mount", [] {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("proc", "/mnt", "proc", 0, nullptr) != 0) {
      return kNotHere;
    }
    return opens("/mnt/sys/kernel/core_pattern", O_WRONLY);
  });
  dump.test(Kind::benign, "reads core_pattern", [] { return opens("/proc/sys/kernel/core_pattern"); });

  Row hardening(probes, "D13", Watch::hardening);
  for (const char* name : {"randomize_va_space", "kptr_restrict", "dmesg_restrict", "yama/ptrace_scope",
                           "unprivileged_bpf_disabled", "io_uring_disabled"}) {
    hardening.test(Kind::attack, "opens " + std::string(name) + " for writing",
                   [&] { return opens("/proc/sys/kernel/" + std::string(name), O_WRONLY); });
  }
  hardening.test(Kind::benign, "reads randomize_va_space, writes hostname", [] {
    return opens("/proc/sys/kernel/randomize_va_space") | opens("/proc/sys/kernel/hostname", O_WRONLY);
  });

  Row mac(probes, "D14", Watch::mac);
  mac.test(Kind::attack, "opens apparmor's .remove for writing",
           [] { return opens("/sys/kernel/security/apparmor/.remove", O_WRONLY); });
  mac.test(Kind::attack, "opens lockdown for writing",
           [] { return opens("/sys/kernel/security/lockdown", O_WRONLY); });
  mac.test(Kind::benign, "reads which modules there are", [] { return opens("/sys/kernel/security/lsm"); });
}

void preload(ProbeSet& probes) {
  Row row(probes, "D18", Watch::foreign_code);
  // There is no such file, so nothing happens; the attempt is what is seen.
  row.test(Kind::attack, "names ld.so.preload",
           [] { return ::unlink("/etc/ld.so.preload") != 0 && errno == ENOENT ? 0 : kNotHere; });
  row.test(Kind::benign, "reads ld.so.preload and ld.so.cache", [] {
    (void)::open("/etc/ld.so.preload", O_RDONLY);
    return opens("/etc/ld.so.cache");
  });
}

void service(ProbeSet& probes, const std::string& folder) {
  Row row(probes, "D19", Watch::service);
  const auto write = [](const std::string& path) {
    return ::open(path.c_str(), O_WRONLY | O_CREAT, 0644) >= 0 ? 0 : 1;
  };
  row.test(Kind::attack, "writes the unit", [&] { return write(folder + "/akmd.service"); });
  row.test(Kind::attack, "writes a drop-in", [&] {
    return ::mkdir((folder + "/akmd.service.d").c_str(), 0755) == 0 ? write(folder + "/akmd.service.d/x.conf")
                                                                    : 1;
  });
  row.test(Kind::attack, "masks the unit",
           [&] { return ::symlink("/dev/null", (folder + "/akm-nmmd.service").c_str()) == 0 ? 0 : 1; });
  row.test(Kind::attack, "changes the D-Bus policy", [&] { return write(folder + "/org.akm.conf"); });
  row.test(Kind::around, "relative",
           [&] { return ::chdir(folder.c_str()) == 0 ? write("akmd.service") : 1; });
  row.test(Kind::around, "by io_uring, relative",
           [&] { return opens_by_io_uring(folder, "akmd.service", O_WRONLY); });
  row.test(Kind::benign, "writes another unit", [&] { return write(folder + "/other.service"); });
  row.test(Kind::benign, "reads the unit", [&] { return opens(folder + "/akmd.service"); });
}

}  // namespace

int main() {
  const Folder base;
  const std::string units = base.path() + "/units";
  (void)::mkdir(units.c_str(), 0755);
  ProbeOptions options;
  options.service_folders = {units};
  const auto probes = open_or_skip(options);
  ours = ::getpid();
  inspection(*probes);
  kernel_memory(*probes, base.path());
  tpm(*probes);
  sysctls(*probes);
  preload(*probes);
  service(*probes, units);
  return finish();
}
