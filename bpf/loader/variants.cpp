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
    // These serve the folders too: one look at the object, at the end of each call that opens.
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
    "exit_call", kCalls, "sys_exit_" name, 0, Need::optional                                         \
  }
#define AKM_NONE AKM_NO_ARGUMENT

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
    AKM_PATH_CALL("file_setattr", AKM_OP_XATTR, 1, AKM_NONE),
    AKM_PATH_CALL("link", AKM_OP_LINK, 0, 1),
    AKM_PATH_CALL("linkat", AKM_OP_LINK, 1, 3),
    AKM_PATH_CALL("symlink", AKM_OP_SYMLINK, 1, AKM_NONE),
    AKM_PATH_CALL("symlinkat", AKM_OP_SYMLINK, 2, AKM_NONE),
    AKM_PATH_CALL("mkdir", AKM_OP_MKDIR, 0, AKM_NONE),
    AKM_PATH_CALL("mkdirat", AKM_OP_MKDIR, 1, AKM_NONE),
    AKM_PATH_CALL("mount", AKM_OP_MOUNT, 1, AKM_NONE),
    AKM_PATH_CALL("move_mount", AKM_OP_MOUNT, 1, 3),
    AKM_PATH_CALL("umount", AKM_OP_UNMOUNT, 0, AKM_NONE),
};

// The same tracepoint under two names: since 6.3, and 5.19 to 6.2.
constexpr Attachment kUringTracepoints[] = {
    {"submit_request", "raw", "io_uring_submit_req", 0, Need::optional},
    {"submit_request", "raw", "io_uring_submit_sqe", 0, Need::optional},
};

constexpr Variant kVariants[] = {
    {Group::keys, "tracepoint", kKeyTracepoints},
    {Group::process, "tracepoint", kProcessTracepoints},
    {Group::folders, "tracepoint", kFolderTracepoints},
    {Group::io_uring, "tracepoint", kUringTracepoints},
};

}  // namespace

std::string_view group_name(Group group) {
  switch (group) {
    case Group::keys:
      return "keys";
    case Group::process:
      return "process";
    case Group::folders:
      return "folders";
    case Group::io_uring:
      return "io_uring";
  }
  return "unknown";
}

std::span<const Variant> variants() {
  return kVariants;
}

}  // namespace akm::bpf
