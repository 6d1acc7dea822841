#include "bpf/loader/variants.h"

#include "bpf/include/akm_events.h"

namespace akm::bpf {
namespace {

constexpr std::string_view kCalls = "syscalls";

constexpr Attachment kKeyTracepoints[] = {
    {"enter_keyctl", kCalls, "sys_enter_keyctl"},           {"exit_key", kCalls, "sys_exit_keyctl"},
    {"enter_add_key", kCalls, "sys_enter_add_key"},         {"exit_key", kCalls, "sys_exit_add_key"},
    {"enter_request_key", kCalls, "sys_enter_request_key"}, {"exit_key", kCalls, "sys_exit_request_key"},
};

constexpr Attachment kProcessTracepoints[] = {
    {"enter_ptrace", kCalls, "sys_enter_ptrace"},
    {"exit_call", kCalls, "sys_exit_ptrace"},
    {"enter_vm_read", kCalls, "sys_enter_process_vm_readv"},
    {"exit_call", kCalls, "sys_exit_process_vm_readv"},
    {"enter_vm_write", kCalls, "sys_enter_process_vm_writev"},
    {"exit_call", kCalls, "sys_exit_process_vm_writev"},
    {"enter_pidfd_getfd", kCalls, "sys_enter_pidfd_getfd"},
    {"exit_call", kCalls, "sys_exit_pidfd_getfd"},
};

constexpr Attachment kFileTracepoints[] = {
    {"exit_open", kCalls, "sys_exit_openat"},
    {"exit_open", kCalls, "sys_exit_openat2"},
    {"exit_open", kCalls, "sys_exit_open_by_handle_at"},
    {"exit_open", kCalls, "sys_exit_open", 0, Need::optional},  // not on every architecture
    {"exit_open", kCalls, "sys_exit_creat", 0, Need::optional},
};

// The call's enter with its path arguments, and its exit. Calls that an architecture or kernel lacks are
// optional.
#define AKM_PATH_CALL(name, operation, first, second)                                                \
  {"enter_path", kCalls, "sys_enter_" name, AKM_COOKIE(operation, first, second), Need::optional}, { \
    "exit_path", kCalls, "sys_exit_" name, 0, Need::optional                                         \
  }
#define AKM_NONE AKM_NO_ARGUMENT
// The same for calls whose arguments a program of their own reads.
#define AKM_CALL(program, name)                              \
  {program, kCalls, "sys_enter_" name, 0, Need::optional}, { \
    "exit_call", kCalls, "sys_exit_" name, 0, Need::optional \
  }

constexpr Attachment kFolderTracepoints[] = {
    AKM_PATH_CALL("unlink", AKM_OP_UNLINK, 0, AKM_NONE),
    AKM_PATH_CALL("rmdir", AKM_OP_UNLINK, 0, AKM_NONE),
    AKM_PATH_CALL("unlinkat", AKM_OP_UNLINK, 1, AKM_NONE),
    AKM_PATH_CALL("rename", AKM_OP_RENAME, 0, 1),
    AKM_PATH_CALL("renameat", AKM_OP_RENAME, 1, 3),
    AKM_PATH_CALL("renameat2", AKM_OP_RENAME, 1, 3),
    AKM_PATH_CALL("truncate", AKM_OP_TRUNCATE, 0, AKM_NONE),
    AKM_PATH_CALL("chmod", AKM_OP_CHMOD, 0, AKM_NONE),
    AKM_PATH_CALL("fchmodat", AKM_OP_CHMOD, 1, AKM_NONE),
    AKM_PATH_CALL("fchmodat2", AKM_OP_CHMOD, 1, AKM_NONE),
    AKM_PATH_CALL("chown", AKM_OP_CHOWN, 0, AKM_NONE),
    AKM_PATH_CALL("lchown", AKM_OP_CHOWN, 0, AKM_NONE),
    AKM_PATH_CALL("fchownat", AKM_OP_CHOWN, 1, AKM_NONE),
    AKM_PATH_CALL("setxattr", AKM_OP_XATTR, 0, AKM_NONE),
    AKM_PATH_CALL("lsetxattr", AKM_OP_XATTR, 0, AKM_NONE),
    AKM_PATH_CALL("setxattrat", AKM_OP_XATTR, 1, AKM_NONE),
    AKM_PATH_CALL("removexattr", AKM_OP_XATTR, 0, AKM_NONE),
    AKM_PATH_CALL("lremovexattr", AKM_OP_XATTR, 0, AKM_NONE),
    AKM_PATH_CALL("file_setattr", AKM_OP_ATTRIBUTES, 1, AKM_NONE),
    AKM_PATH_CALL("link", AKM_OP_LINK, 0, 1),
    AKM_PATH_CALL("linkat", AKM_OP_LINK, 1, 3),
    AKM_PATH_CALL("symlink", AKM_OP_SYMLINK, 1, AKM_NONE),
    AKM_PATH_CALL("symlinkat", AKM_OP_SYMLINK, 2, AKM_NONE),
    AKM_PATH_CALL("mkdir", AKM_OP_MKDIR, 0, AKM_NONE),
    AKM_PATH_CALL("mkdirat", AKM_OP_MKDIR, 1, AKM_NONE),
    AKM_CALL("enter_ioctl", "ioctl"),
};

constexpr Attachment kMountTracepoints[] = {
    AKM_PATH_CALL("mount", AKM_OP_MOUNT, 1, AKM_NONE),
    AKM_PATH_CALL("move_mount", AKM_OP_MOUNT, 1, 3),
    AKM_PATH_CALL("umount", AKM_OP_UNMOUNT, 0, AKM_NONE),
};

constexpr Attachment kKernelCodeTracepoints[] = {
    {"load_module", "raw", "module_load", 0, Need::optional},
    AKM_CALL("enter_module", "init_module"),
    AKM_CALL("enter_module", "finit_module"),
    AKM_CALL("enter_kexec", "kexec_load"),
    AKM_CALL("enter_kexec", "kexec_file_load"),
};

constexpr Attachment kBpfTracepoints[] = {AKM_CALL("enter_bpf", "bpf")};
constexpr Attachment kSignalTracepoints[] = {{"generate_signal", "raw", "signal_generate"}};
constexpr Attachment kExecTracepoints[] = {{"exec_program", "raw", "sched_process_exec"}};
constexpr Attachment kCapabilityTracepoints[] = {AKM_CALL("enter_capset", "capset")};
constexpr Attachment kLogTracepoints[] = {AKM_CALL("enter_syslog", "syslog")};
constexpr Attachment kSocketTracepoints[] = {AKM_CALL("enter_socket", "socket")};
constexpr Attachment kRingTracepoints[] = {{"create_ring", "raw", "io_uring_create"}};

constexpr Attachment kAdjustTracepoints[] = {
    AKM_CALL("enter_adjtimex", "adjtimex"),
    AKM_CALL("enter_clock_adjtime", "clock_adjtime"),
};
constexpr Attachment kClockTracepoints[] = {
    AKM_CALL("enter_clock_settime", "clock_settime"),
    AKM_CALL("enter_settimeofday", "settimeofday"),
};

// The same tracepoint under two names: since 6.3, and 5.19 to 6.2.
constexpr Attachment kUringTracepoints[] = {
    {"submit_request", "raw", "io_uring_submit_req", 0, Need::optional},
    {"submit_request", "raw", "io_uring_submit_sqe", 0, Need::optional},
    {"complete_request", "io_uring", "io_uring_complete", 0, Need::optional},
};

// The event of an LSM program is its hook; the program knows it too. Beside each stands the function that
// asks the security modules, for kernels that do not have BPF among them.
#define AKM_GUARDS(group, ...) constexpr Attachment group##Guards[] = {__VA_ARGS__}
#define AKM_TRACES(group, ...) constexpr Attachment group##Traces[] = {__VA_ARGS__}
#define AKM_LSM(name, hook) {"guard_" name, "lsm", hook}
#define AKM_FEXIT(name, function) {"watch_" name, "fexit", function}

AKM_GUARDS(kKey, AKM_LSM("key", "key_permission"));
AKM_TRACES(kKey, AKM_FEXIT("key", "security_key_permission"));
AKM_GUARDS(kProcess, AKM_LSM("process", "ptrace_access_check"), {"daemon_ends", "raw", "sched_process_exit"});
AKM_TRACES(kProcess, AKM_FEXIT("process", "security_ptrace_access_check"));
AKM_GUARDS(kFile, AKM_LSM("open", "file_open"));
AKM_TRACES(kFile, AKM_FEXIT("open", "security_file_open"));
AKM_GUARDS(kFolder, AKM_LSM("unlink", "inode_unlink"), AKM_LSM("rmdir", "inode_rmdir"),
           AKM_LSM("create", "inode_create"), AKM_LSM("mkdir", "inode_mkdir"),
           AKM_LSM("symlink", "inode_symlink"), AKM_LSM("link", "inode_link"),
           AKM_LSM("rename", "inode_rename"), AKM_LSM("setattr", "inode_setattr"),
           AKM_LSM("setxattr", "inode_setxattr"), AKM_LSM("removexattr", "inode_removexattr"),
           AKM_LSM("ioctl", "file_ioctl"));
AKM_TRACES(kFolder, AKM_FEXIT("unlink", "security_inode_unlink"), AKM_FEXIT("rmdir", "security_inode_rmdir"),
           AKM_FEXIT("create", "security_inode_create"), AKM_FEXIT("mkdir", "security_inode_mkdir"),
           AKM_FEXIT("symlink", "security_inode_symlink"), AKM_FEXIT("link", "security_inode_link"),
           AKM_FEXIT("rename", "security_inode_rename"), AKM_FEXIT("setattr", "notify_change"),
           AKM_FEXIT("setxattr", "security_inode_setxattr"),
           AKM_FEXIT("removexattr", "security_inode_removexattr"), AKM_FEXIT("ioctl", "security_file_ioctl"));
AKM_GUARDS(kMount, AKM_LSM("mount", "sb_mount"), AKM_LSM("move_mount", "move_mount"));
AKM_TRACES(kMount, AKM_FEXIT("mount", "security_sb_mount"), AKM_FEXIT("move_mount", "security_move_mount"));
AKM_GUARDS(kKernelCode, AKM_LSM("read_file", "kernel_read_file"), AKM_LSM("load_data", "kernel_load_data"));
AKM_TRACES(kKernelCode, AKM_FEXIT("read_file", "security_kernel_read_file"),
           AKM_FEXIT("load_data", "security_kernel_load_data"));
AKM_GUARDS(kBpf, AKM_LSM("bpf", "bpf"));
AKM_TRACES(kBpf, AKM_FEXIT("bpf", "security_bpf"));
AKM_GUARDS(kSignal, AKM_LSM("signal", "task_kill"));
AKM_TRACES(kSignal, AKM_FEXIT("signal", "security_task_kill"));
AKM_GUARDS(kExec, AKM_LSM("exec", "bprm_check_security"), AKM_LSM("mmap", "mmap_file"),
           AKM_LSM("mprotect", "file_mprotect"));
AKM_TRACES(kExec, AKM_FEXIT("exec", "security_bprm_check"), AKM_FEXIT("mmap", "security_mmap_file"),
           AKM_FEXIT("mprotect", "security_file_mprotect"));
AKM_GUARDS(kSocket, AKM_LSM("socket", "socket_create"), AKM_LSM("netlink", "netlink_send"));
AKM_TRACES(kSocket, AKM_FEXIT("socket", "security_socket_create"),
           AKM_FEXIT("netlink", "security_netlink_send"));
AKM_GUARDS(kClock, AKM_LSM("clock", "settime"));
AKM_TRACES(kClock, AKM_FEXIT("clock", "security_settime64"));
AKM_GUARDS(kLog, AKM_LSM("syslog", "syslog"));
AKM_TRACES(kLog, AKM_FEXIT("syslog", "security_syslog"));
AKM_GUARDS(kRing, AKM_LSM("credentials", "uring_override_creds"));
AKM_TRACES(kRing, AKM_FEXIT("credentials", "security_uring_override_creds"));
AKM_TRACES(kCapability, {"commit_credentials", "fentry", "commit_creds"});

// Refused attempts never reach a security module, so the calls' tracepoints stay beside it where they count.
constexpr Variant kVariants[] = {
    {Group::keys, Tier::lsm, kKeyGuards, kKeyTracepoints},
    {Group::keys, Tier::fentry, kKeyTraces, kKeyTracepoints},
    {Group::keys, Tier::tracepoint, kKeyTracepoints},
    {Group::process, Tier::lsm, kProcessGuards, kProcessTracepoints},
    {Group::process, Tier::fentry, kProcessTraces, kProcessTracepoints},
    {Group::process, Tier::tracepoint, kProcessTracepoints},
    {Group::files, Tier::lsm, kFileGuards},
    {Group::files, Tier::fentry, kFileTraces},
    {Group::files, Tier::tracepoint, kFileTracepoints},
    {Group::folders, Tier::lsm, kFolderGuards, kFolderTracepoints},
    {Group::folders, Tier::fentry, kFolderTraces, kFolderTracepoints},
    {Group::folders, Tier::tracepoint, kFolderTracepoints},
    {Group::mounts, Tier::lsm, kMountGuards, kMountTracepoints},
    {Group::mounts, Tier::fentry, kMountTraces, kMountTracepoints},
    {Group::mounts, Tier::tracepoint, kMountTracepoints},
    {Group::kernel_code, Tier::lsm, kKernelCodeGuards, kKernelCodeTracepoints},
    {Group::kernel_code, Tier::fentry, kKernelCodeTraces, kKernelCodeTracepoints},
    {Group::kernel_code, Tier::tracepoint, kKernelCodeTracepoints},
    {Group::bpf_use, Tier::lsm, kBpfGuards},
    {Group::bpf_use, Tier::fentry, kBpfTraces},
    {Group::bpf_use, Tier::tracepoint, kBpfTracepoints},
    {Group::signals, Tier::lsm, kSignalGuards},
    {Group::signals, Tier::fentry, kSignalTraces},
    {Group::signals, Tier::tracepoint, kSignalTracepoints},
    {Group::exec, Tier::lsm, kExecGuards, kExecTracepoints},
    {Group::exec, Tier::fentry, kExecTraces, kExecTracepoints},
    {Group::exec, Tier::tracepoint, kExecTracepoints},
    {Group::capabilities, Tier::fentry, kCapabilityTraces},
    {Group::capabilities, Tier::tracepoint, kCapabilityTracepoints},
    {Group::sockets, Tier::lsm, kSocketGuards},
    {Group::sockets, Tier::fentry, kSocketTraces},
    {Group::sockets, Tier::tracepoint, kSocketTracepoints},
    {Group::clock, Tier::lsm, kClockGuards, kAdjustTracepoints},
    {Group::clock, Tier::fentry, kClockTraces, kAdjustTracepoints},
    {Group::clock, Tier::tracepoint, kClockTracepoints, kAdjustTracepoints},
    {Group::logs, Tier::lsm, kLogGuards},
    {Group::logs, Tier::fentry, kLogTraces},
    {Group::logs, Tier::tracepoint, kLogTracepoints},
    {Group::rings, Tier::lsm, kRingGuards, kRingTracepoints},
    {Group::rings, Tier::fentry, kRingTraces, kRingTracepoints},
    {Group::rings, Tier::tracepoint, kRingTracepoints},
    {Group::io_uring, Tier::tracepoint, kUringTracepoints},
};

}  // namespace

std::string_view group_name(Group group) {
  switch (group) {
    case Group::keys:
      return "keys";
    case Group::process:
      return "process";
    case Group::files:
      return "files";
    case Group::folders:
      return "folders";
    case Group::mounts:
      return "mounts";
    case Group::kernel_code:
      return "kernel_code";
    case Group::bpf_use:
      return "bpf_use";
    case Group::signals:
      return "signals";
    case Group::exec:
      return "exec";
    case Group::capabilities:
      return "capabilities";
    case Group::sockets:
      return "sockets";
    case Group::clock:
      return "clock";
    case Group::logs:
      return "logs";
    case Group::rings:
      return "rings";
    case Group::io_uring:
      return "io_uring";
  }
  return "unknown";
}

std::string_view tier_name(Tier tier) {
  switch (tier) {
    case Tier::lsm:
      return "lsm";
    case Tier::fentry:
      return "fentry";
    case Tier::tracepoint:
      return "tracepoint";
  }
  return "unknown";
}

std::span<const Variant> variants() {
  return kVariants;
}

}  // namespace akm::bpf
