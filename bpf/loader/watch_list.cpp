#include "bpf/loader/watch_list.h"

#include <dirent.h>
#include <linux/magic.h>
#include <sys/stat.h>

#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "bpf/loader/file_device.h"

namespace akm::bpf {
namespace {

struct NamedFile {
  std::uint32_t file_system;  // its magic number
  std::string_view parent;
  std::string_view name;
  std::uint8_t watch;
};

constexpr std::uint8_t kReads = AKM_READS_TOO;

// The root of a file system has the name "/"; "PID" stands for a process folder of ours.
constexpr NamedFile kNamedFiles[] = {
    {PROC_SUPER_MAGIC, "PID", "environ", AKM_WATCH_INSPECTION | kReads},
    {PROC_SUPER_MAGIC, "PID", "maps", AKM_WATCH_INSPECTION | kReads},
    {PROC_SUPER_MAGIC, "PID", "smaps", AKM_WATCH_INSPECTION | kReads},
    {PROC_SUPER_MAGIC, "PID", "smaps_rollup", AKM_WATCH_INSPECTION | kReads},
    {PROC_SUPER_MAGIC, "PID", "numa_maps", AKM_WATCH_INSPECTION | kReads},
    {PROC_SUPER_MAGIC, "PID", "map_files", AKM_WATCH_INSPECTION | kReads},
    {PROC_SUPER_MAGIC, "PID", "pagemap", AKM_WATCH_INSPECTION | kReads},
    {PROC_SUPER_MAGIC, "PID", "clear_refs", AKM_WATCH_INSPECTION | kReads},
    {PROC_SUPER_MAGIC, "PID", "syscall", AKM_WATCH_INSPECTION | kReads},
    {PROC_SUPER_MAGIC, "PID", "stack", AKM_WATCH_INSPECTION | kReads},
    {PROC_SUPER_MAGIC, "PID", "auxv", AKM_WATCH_INSPECTION | kReads},
    {PROC_SUPER_MAGIC, "PID", "fd", AKM_WATCH_INSPECTION | kReads},
    {PROC_SUPER_MAGIC, "/", "kcore", AKM_WATCH_KERNEL_MEMORY | kReads},
    {PROC_SUPER_MAGIC, "kernel", "core_pattern", AKM_WATCH_CORE_DUMP},
    {PROC_SUPER_MAGIC, "kernel", "core_pipe_limit", AKM_WATCH_CORE_DUMP},
    {PROC_SUPER_MAGIC, "fs", "suid_dumpable", AKM_WATCH_CORE_DUMP},
    {PROC_SUPER_MAGIC, "/", "sysrq-trigger", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "yama", "ptrace_scope", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "kernel", "unprivileged_bpf_disabled", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "kernel", "kptr_restrict", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "kernel", "dmesg_restrict", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "kernel", "randomize_va_space", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "kernel", "modules_disabled", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "kernel", "kexec_load_disabled", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "kernel", "io_uring_disabled", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "kernel", "perf_event_paranoid", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "kernel", "sysrq", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "core", "bpf_jit_harden", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "fs", "protected_symlinks", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "fs", "protected_hardlinks", AKM_WATCH_HARDENING},
    {PROC_SUPER_MAGIC, "vm", "mmap_min_addr", AKM_WATCH_HARDENING},
    {SECURITYFS_MAGIC, "/", "lockdown", AKM_WATCH_MAC},
    {SECURITYFS_MAGIC, "apparmor", ".remove", AKM_WATCH_MAC},
    {SECURITYFS_MAGIC, "apparmor", ".replace", AKM_WATCH_MAC},
    {SECURITYFS_MAGIC, "apparmor", ".load", AKM_WATCH_MAC},
    {SECURITYFS_MAGIC, "ima", "policy", AKM_WATCH_MAC},
    {SECURITYFS_MAGIC, "evm", "evm", AKM_WATCH_MAC},
    {SELINUX_MAGIC, "/", "enforce", AKM_WATCH_MAC},
    {SELINUX_MAGIC, "/", "disable", AKM_WATCH_MAC},
    {SELINUX_MAGIC, "/", "load", AKM_WATCH_MAC},
};

constexpr const char* kServiceFolders[] = {
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/etc/systemd/system-generators",
    "/usr/lib/systemd/system-generators",
    "/etc/polkit-1/rules.d",
    "/usr/share/polkit-1/rules.d",
    "/usr/share/polkit-1/actions",
    "/etc/dbus-1/system.d",
    "/usr/share/dbus-1/system.d",
    "/usr/share/dbus-1/system-services",
};

constexpr const char* kToolFolders[] = {"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"};
constexpr const char* kTools[] = {"gdb",    "gdbserver", "gcore", "lldb",       "lldb-server",
                                  "strace", "ltrace",    "avml",  "crash",      "makedumpfile",
                                  "rr",     "radare2",   "r2",    "frida-trace"};

akm_name_key name_key(std::uint64_t folder, std::uint32_t device, std::string_view parent,
                      std::string_view name) {
  akm_name_key key{};
  key.folder = folder;
  key.device = device;
  (void)parent.copy(key.parent, sizeof(key.parent) - 1);
  (void)name.copy(key.name, sizeof(key.name) - 1);
  return key;
}

akm_folder_key folder_key(const std::string& path, const struct stat& status) {
  return {.inode = status.st_ino, .device = file_device(path, status), .zero = 0};
}

struct CloseDir {
  void operator()(DIR* dir) const { (void)::closedir(dir); }
};

/// /dev/mem and its like by their fixed numbers, TPMs by what /dev shows.
void add_devices(WatchList& list) {
  constexpr std::uint32_t kMemory = 1U << 20;
  for (const std::uint32_t minor : {1U, 2U, 4U})  // mem, kmem, port
    list.devices.push_back({kMemory | minor, AKM_WATCH_KERNEL_MEMORY});
  for (const char* path : {"/dev/mem", "/dev/kmem", "/dev/port", "/proc/kcore"})
    list.prefixes.push_back({path, true, AKM_WATCH_KERNEL_MEMORY | kReads});
  const std::unique_ptr<DIR, CloseDir> dir(::opendir("/dev"));
  while (const dirent* entry = dir ? ::readdir(dir.get()) : nullptr) {
    const std::string name = entry->d_name;
    struct stat status{};
    if (!name.starts_with("tpm") || ::stat(("/dev/" + name).c_str(), &status) != 0 ||
        !S_ISCHR(status.st_mode))
      continue;
    if (list.devices.size() < AKM_MAX_DEVICES)
      list.devices.push_back({kernel_device(status.st_rdev), AKM_WATCH_TPM});
  }
}

void add_tools(WatchList& list) {
  for (const char* folder : kToolFolders) {
    for (const char* name : kTools) {
      struct stat status{};
      const std::string path = std::string(folder) + "/" + name;
      if (::stat(path.c_str(), &status) == 0 && list.tools.size() + 1 < AKM_MAX_TOOLS)
        list.tools.push_back({folder_key(path, status), AKM_WATCH_DEBUGGER});
    }
  }
}

/// One file of a folder that is not ours: it may not be there yet.
void add_file(WatchList& list, const std::string& folder, const std::string& name, std::uint8_t watch) {
  struct stat status{};
  if (::stat(folder.c_str(), &status) != 0) return;
  list.names.push_back({name_key(status.st_ino, file_device(folder, status), "", name), watch});
  list.prefixes.push_back({folder + "/" + name, true, watch});
}

class Folders {
 public:
  explicit Folders(WatchList& list) : list_(list) {}

  void add(const std::string& path, std::uint8_t watch) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return;
    const akm_folder_key key = folder_key(path, status);
    if (!seen_.insert({key.device, key.inode}).second || list_.folders.size() >= AKM_MAX_FOLDERS) return;
    list_.folders.push_back({key, watch});
  }

  /// Mounts on these hide ours.
  void add_above(const std::string& path) {
    std::string above = path;
    while (above.size() > 1) {
      above.resize(above.find_last_of('/'));
      if (above.empty()) above = "/";
      add(above, AKM_WATCH_MOUNT | AKM_MOUNTS_ONLY);
      if (names_.insert(above).second)
        list_.prefixes.push_back({above, true, AKM_WATCH_MOUNT | AKM_MOUNTS_ONLY});
    }
  }

 private:
  WatchList& list_;
  std::set<std::pair<std::uint32_t, std::uint64_t>> seen_;
  std::set<std::string> names_;
};

void add_tree(WatchList& list, Folders& folders, const std::string& path, std::uint8_t watch) {
  folders.add(path, watch);
  list.prefixes.push_back({path, true, watch});
  list.prefixes.push_back({path + "/", false, watch});
}

}  // namespace

std::vector<std::string> default_service_folders() {
  std::vector<std::string> out;
  for (const char* path : kServiceFolders) {
    struct stat status{};
    if (::stat(path, &status) == 0 && S_ISDIR(status.st_mode)) out.emplace_back(path);
  }
  return out;
}

WatchList make_watch_list(const std::vector<WatchedFolder>& folders,
                          const std::vector<std::string>& service_folders, const std::string& pins,
                          std::uint32_t our_tgid) {
  WatchList list;
  Folders places(list);
  for (const WatchedFolder& folder : folders)
    add_tree(list, places, folder.path, folder.watch == Watch::state ? AKM_WATCH_STATE : AKM_WATCH_CONFIG);
  if (!pins.empty()) add_tree(list, places, pins, AKM_WATCH_SENSOR);
  for (const std::string& path : service_folders) {
    places.add(path, AKM_WATCH_SERVICE);
    for (const char* ours : {"/akm", "/org.akm"})
      list.prefixes.push_back({path + ours, false, AKM_WATCH_SERVICE});
  }
  for (const WatchedFolder& folder : folders) places.add_above(folder.path);
  if (!pins.empty()) places.add_above(pins);

  for (const NamedFile& file : kNamedFiles) {
    list.names.push_back({name_key(0, file.file_system, file.parent, file.name), file.watch});
  }
  add_file(list, "/etc", "ld.so.preload", AKM_WATCH_FOREIGN_CODE);
  add_devices(list);
  add_tools(list);
  // For io_uring, which is judged by the name at its begin: our memory, and that of our threads.
  const std::string proc = "/proc/" + std::to_string(our_tgid);
  list.prefixes.push_back({proc + "/mem", true, AKM_WATCH_PROCESS | kReads});
  list.prefixes.push_back({proc + "/task/", false, AKM_WATCH_PROCESS | kReads});
  return list;
}

}  // namespace akm::bpf
