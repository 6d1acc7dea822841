// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
// Tracepoint tier of D1 (keys), D2 (process), D10 (folders) and of the heartbeat (D32). What each program
// cannot see is said in docs/detections.md. Arguments that are numbers cannot change under us; paths are user
// memory and can, which is why the folders are watched by fanotify too and opened files are judged by the
// object, at the end of the call.
// clang-format off
#include "bpf/programs/akm_common.bpf.h"
#include <linux/keyctl.h>
// clang-format on

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PROC_SUPER_MAGIC 0x9fa0
#define PID_FS_MAGIC 0x50494446
#define FMODE_WRITE 2
#define PTRACE_TRACEME 0
#define O_ACCMODE 3
#define O_TRUNC 01000
#define MAX_THREADS 32
#define MAX_PID_LEVELS 4

/* ---- heartbeat ---- */

static __always_inline void register_thread(struct task_struct* task, __u64 beat) {
  struct pid* pid = BPF_CORE_READ(task, thread_pid);
  unsigned int level = BPF_CORE_READ(pid, level);
  for (unsigned int i = 0; i < MAX_PID_LEVELS; ++i) {
    struct akm_pid_key key;
    if (i > level) break;
    read_upid(pid, i, &key);
    if (bpf_map_update_elem(&our_pids, &key, &beat, BPF_ANY)) count_drop(AKM_DROP_PIDS_FULL);
  }
}

static __always_inline void register_our_threads(__u64 beat) {
  struct signal_struct* signal = BPF_CORE_READ(current_task(), signal);
  struct list_head* head =
      (struct list_head*)((char*)signal + bpf_core_field_offset(struct signal_struct, thread_head));
  struct list_head* node = BPF_CORE_READ(head, next);
  for (int i = 0; i < MAX_THREADS; ++i) {
    if (!node || node == head) return;
    register_thread(
        (struct task_struct*)((char*)node - bpf_core_field_offset(struct task_struct, thread_node)), beat);
    node = BPF_CORE_READ(node, next);
  }
  if (node != head) count_drop(AKM_DROP_PIDS_FULL);
}

static __always_inline void answer_self_probe(__u64 beat) {
  struct akm_scratch* room = get_scratch();
  if (!room || !is_ours()) return;
  register_our_threads(beat);
  begin_event(&room->event, AKM_WATCH_SELF, AKM_OP_SELF_PROBE);
  room->event.argument = beat;
  send_event(&room->event);
}

/* ---- D1: keys ---- */

/* The special numbers that can stand for a keyring of ours, when the caller has it as its own. */
static __always_inline __s32 resolve_serial(__s32 serial) {
  if (serial >= 0) return serial;
  const struct cred* cred = BPF_CORE_READ(current_task(), cred);
  if (serial == KEY_SPEC_SESSION_KEYRING) return BPF_CORE_READ(cred, session_keyring, serial);
  if (serial == KEY_SPEC_PROCESS_KEYRING) return BPF_CORE_READ(cred, process_keyring, serial);
  if (serial == KEY_SPEC_THREAD_KEYRING) return BPF_CORE_READ(cred, thread_keyring, serial);
  return 0;
}

static __always_inline void hold_key_event(__u8 operation, __u64 argument, __s32 serial) {
  struct akm_scratch* room = get_scratch();
  if (!room || is_ours()) return;
  begin_event(&room->event, AKM_WATCH_KEY, operation);
  room->event.argument = argument;
  room->event.serial = serial;
  hold_event(&room->event);
}

static __always_inline __s32 guarded_of(__s32 serial) {
  serial = resolve_serial(serial);
  return serial > 0 && guarded_kind(serial) ? serial : 0;
}

/* The key numbers that DH_COMPUTE and the PKEY operations pass in memory. */
static __always_inline __s32 guarded_in_memory(unsigned long address, int count) {
  __s32 serials[3] = {};
  if (bpf_probe_read_user(serials, sizeof(serials), (const void*)address)) return 0;
  for (int i = 0; i < 3; ++i) {
    __s32 serial = i < count ? guarded_of(serials[i]) : 0;
    if (serial) return serial;
  }
  return 0;
}

static __always_inline __s32 guarded_argument(const struct akm_sys_enter* call) {
  __s32 serial = 0;
  switch ((__u32)call->args[0]) {
    case KEYCTL_DESCRIBE: /* what `cat /proc/keys` and keyctl show do: noise */
    case KEYCTL_GET_KEYRING_ID:
    case KEYCTL_GET_SECURITY:
    case KEYCTL_JOIN_SESSION_KEYRING:
    case KEYCTL_SET_REQKEY_KEYRING:
    case KEYCTL_SESSION_TO_PARENT:
    case KEYCTL_CAPABILITIES:
      return 0;
    case KEYCTL_DH_COMPUTE:
      return guarded_in_memory(call->args[1], 3);
    case KEYCTL_PKEY_ENCRYPT:
    case KEYCTL_PKEY_DECRYPT:
    case KEYCTL_PKEY_SIGN:
    case KEYCTL_PKEY_VERIFY:
      return guarded_in_memory(call->args[1], 1);
    case KEYCTL_LINK:
    case KEYCTL_UNLINK:
    case KEYCTL_GET_PERSISTENT:
      serial = guarded_of((__s32)call->args[1]);
      return serial ? serial : guarded_of((__s32)call->args[2]);
    case KEYCTL_SEARCH:
    case KEYCTL_INSTANTIATE:
    case KEYCTL_INSTANTIATE_IOV:
      serial = guarded_of((__s32)call->args[1]);
      return serial ? serial : guarded_of((__s32)call->args[4]);
    case KEYCTL_MOVE:
    case KEYCTL_NEGATE:
      serial = guarded_of((__s32)call->args[1]);
      if (!serial) serial = guarded_of((__s32)call->args[2]);
      return serial ? serial : guarded_of((__s32)call->args[3]);
    case KEYCTL_REJECT:
      serial = guarded_of((__s32)call->args[1]);
      return serial ? serial : guarded_of((__s32)call->args[4]);
    case KEYCTL_READ:
      serial = guarded_of((__s32)call->args[1]);
      return guarded_kind(serial) == AKM_GUARDED_KEYRING ? 0 : serial;
    default: /* UPDATE, REVOKE, CHOWN, SETPERM, CLEAR, SET_TIMEOUT, INVALIDATE and what kernels may add
              */
      return guarded_of((__s32)call->args[1]);
  }
}

SEC("tracepoint")
int enter_keyctl(struct akm_sys_enter* call) {
  __u32 command = (__u32)call->args[0];
  if (command == AKM_SELF_PROBE) {
    answer_self_probe(call->args[1]);
    return 0;
  }
  __s32 serial = guarded_argument(call);
  /* With serial 0 the call is held for its result: it may come back with a key of ours. */
  if (serial || command == KEYCTL_SEARCH || command == KEYCTL_JOIN_SESSION_KEYRING) {
    hold_key_event(AKM_OP_KEYCTL, command, serial);
  }
  return 0;
}

SEC("tracepoint")
int enter_add_key(struct akm_sys_enter* call) {
  __s32 serial = guarded_of((__s32)call->args[4]);
  if (serial) hold_key_event(AKM_OP_ADD_KEY, 0, serial);
  return 0;
}

SEC("tracepoint")
int enter_request_key(struct akm_sys_enter* call) {
  hold_key_event(AKM_OP_REQUEST_KEY, 0, guarded_of((__s32)call->args[3]));
  return 0;
}

SEC("tracepoint")
int exit_key(struct akm_sys_exit* call) {
  __u64 id = bpf_get_current_pid_tgid();
  struct akm_event* event = bpf_map_lookup_elem(&pending, &id);
  if (!event) return 0;
  if (!event->serial) {
    __s32 found = call->result > 0 && call->result <= 0x7fffffff ? (__s32)call->result : 0;
    if (!guarded_kind(found)) {
      bpf_map_delete_elem(&pending, &id);
      return 0;
    }
    event->serial = found;
  }
  release_event(call->result);
  return 0;
}

/* ---- D2: our process ---- */

static __always_inline void hold_process_event(__u8 operation, __u64 argument, __u32 target) {
  struct akm_scratch* room = get_scratch();
  if (!room || is_ours()) return;
  begin_event(&room->event, AKM_WATCH_PROCESS, operation);
  room->event.argument = argument;
  room->event.target = target;
  hold_event(&room->event);
}

SEC("tracepoint")
int enter_ptrace(struct akm_sys_enter* call) {
  if (call->args[0] == PTRACE_TRACEME || !is_our_pid((__u32)call->args[1])) return 0;
  hold_process_event(AKM_OP_PTRACE, call->args[0], (__u32)call->args[1]);
  return 0;
}

SEC("tracepoint")
int enter_vm_read(struct akm_sys_enter* call) {
  if (is_our_pid((__u32)call->args[0])) hold_process_event(AKM_OP_VM_READ, 0, (__u32)call->args[0]);
  return 0;
}

SEC("tracepoint")
int enter_vm_write(struct akm_sys_enter* call) {
  if (is_our_pid((__u32)call->args[0])) hold_process_event(AKM_OP_VM_WRITE, 0, (__u32)call->args[0]);
  return 0;
}

/* The process behind a pidfd: in the inode since 6.9, in the file before. A pointer of another kind of file
 * reads as some number that is not ours. */
SEC("tracepoint")
int enter_pidfd_getfd(struct akm_sys_enter* call) {
  struct file* file = file_of((int)call->args[0]);
  if (!file) return 0;
  struct inode* inode = BPF_CORE_READ(file, f_inode);
  struct pid* pid = BPF_CORE_READ(inode, i_sb, s_magic) == PID_FS_MAGIC
                        ? (struct pid*)BPF_CORE_READ(inode, i_private)
                        : (struct pid*)BPF_CORE_READ(file, private_data);
  if (is_our_struct_pid(pid)) hold_process_event(AKM_OP_PIDFD_GETFD, (__u32)call->args[1], 0);
  return 0;
}

SEC("tracepoint")
int exit_call(struct akm_sys_exit* call) {
  release_event(call->result);
  return 0;
}

/* ---- opened files, judged by the object: names, descriptors, links and races of strings do not matter ----
 */

static __always_inline void send_opened(struct dentry* dentry, __u8 watch, __u8 operation, long fd) {
  struct akm_scratch* room = get_scratch();
  if (!room || is_ours()) return;
  begin_event(&room->event, watch, operation);
  room->event.outcome = AKM_OUTCOME_SUCCEEDED;
  room->event.result = fd;
  set_path(&room->event, (const char*)BPF_CORE_READ(dentry, d_name.name));
  send_event(&room->event);
}

static __always_inline void judge_proc_file(struct inode* inode, struct dentry* dentry, long fd) {
  char name[4] = {};
  bpf_probe_read_kernel(name, sizeof(name), BPF_CORE_READ(dentry, d_name.name));
  if (name[0] != 'm' || name[1] != 'e' || name[2] != 'm' || name[3] != 0) return;
  struct proc_inode* proc =
      (struct proc_inode*)((char*)inode - bpf_core_field_offset(struct proc_inode, vfs_inode));
  if (is_our_struct_pid(BPF_CORE_READ(proc, pid)))
    send_opened(dentry, AKM_WATCH_PROCESS, AKM_OP_OPEN_MEM, fd);
}

static __always_inline void judge_written_file(struct dentry* dentry, __u32 device, long fd) {
  struct dentry* folder = dentry;
  for (int i = 0; i < AKM_MAX_DEPTH; ++i) {
    struct dentry* parent = BPF_CORE_READ(folder, d_parent);
    if (parent == folder) return;
    struct akm_folder_key key = {.inode = BPF_CORE_READ(parent, d_inode, i_ino), .device = device};
    __u8* watch = bpf_map_lookup_elem(&watched_folders, &key);
    if (watch) {
      send_opened(dentry, *watch, AKM_OP_OPEN_WRITE, fd);
      return;
    }
    folder = parent;
  }
}

SEC("tracepoint")
int exit_open(struct akm_sys_exit* call) {
  if (call->result < 0) return 0;
  struct file* file = file_of((int)call->result);
  if (!file) return 0;
  struct inode* inode = BPF_CORE_READ(file, f_inode);
  struct super_block* super = BPF_CORE_READ(inode, i_sb);
  if (BPF_CORE_READ(super, s_magic) == PROC_SUPER_MAGIC) {
    judge_proc_file(inode, BPF_CORE_READ(file, f_path.dentry), call->result);
  } else if (BPF_CORE_READ(file, f_mode) & FMODE_WRITE) {
    judge_written_file(BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(super, s_dev), call->result);
  }
  return 0;
}

/* ---- D10: calls that name a path ---- */

/* Compares room->key, which holds `length` bytes with the NUL; holds or sends a record when it lies in a
 * folder. */
static __always_inline int compare_path(struct akm_scratch* room, long length) {
  if (length <= 1 || room->key.path[0] != '/') return 0; /* relative: the object tiers see it */
  room->key.bits = (__u32)length * 8;
  __u8* watch = bpf_map_lookup_elem(&watched_prefixes, &room->key);
  return watch ? *watch : 0;
}

static __always_inline int compare_user_path(struct akm_scratch* room, unsigned long address) {
  long length = bpf_probe_read_user_str(room->key.path, sizeof(room->key.path), (const void*)address);
  if (length < 0) {
    if (address) count_drop(AKM_DROP_NO_PATH);
    return 0;
  }
  return compare_path(room, length);
}

/* By the kernel's copy of the arguments: the verifier forbids a computed offset into the context. */
static __always_inline unsigned long argument(struct akm_sys_enter* call, __u32 index) {
  unsigned long value = 0;
  bpf_probe_read_kernel(
      &value, sizeof(value),
      (const char*)call + __builtin_offsetof(struct akm_sys_enter, args) + index * sizeof(value));
  return value;
}

SEC("tracepoint")
int enter_path(struct akm_sys_enter* call) {
  __u64 cookie = bpf_get_attach_cookie(call);
  struct akm_scratch* room = get_scratch();
  if (!room) return 0;
  int watch = compare_user_path(room, argument(call, (cookie >> 8) & 3));
  if (!watch && ((cookie >> 16) & 0xff) != AKM_NO_ARGUMENT) {
    watch = compare_user_path(room, argument(call, (cookie >> 16) & 3));
  }
  /* Prefixes of our /proc files are there for io_uring only. */
  if (!watch || watch == AKM_WATCH_PROCESS || is_ours()) return 0;
  begin_event(&room->event, (__u8)watch, (__u8)cookie);
  set_path(&room->event, room->key.path);
  hold_event(&room->event);
  return 0;
}

/* ---- the same by io_uring, which makes no system call of its own; the path is a kernel copy here ---- */

enum {
  URING_OPENAT = 18,
  URING_OPENAT2 = 28,
  URING_RENAMEAT = 35,
  URING_UNLINKAT = 36,
  URING_LINKAT = 39,
  URING_SETXATTR = 42
};

static __always_inline int compare_filename(struct akm_scratch* room, struct filename* filename) {
  const char* name = BPF_CORE_READ(filename, name);
  return compare_path(room, bpf_probe_read_kernel_str(room->key.path, sizeof(room->key.path), name));
}

static __always_inline int opens_for_write(__u64 flags) {
  return (flags & O_ACCMODE) != 0 || (flags & O_TRUNC) != 0;
}

static __always_inline int compare_request(struct akm_scratch* room, void* request, __u8 opcode) {
  int watch = 0;
  switch (opcode) {
    case URING_OPENAT:
    case URING_OPENAT2:
      watch = compare_filename(room, BPF_CORE_READ((struct io_open*)request, filename));
      if (watch && watch != AKM_WATCH_PROCESS &&
          !opens_for_write(BPF_CORE_READ((struct io_open*)request, how.flags))) {
        return 0;
      }
      return watch;
    case URING_RENAMEAT:
      watch = compare_filename(room, BPF_CORE_READ((struct io_rename*)request, oldpath));
      return watch ? watch : compare_filename(room, BPF_CORE_READ((struct io_rename*)request, newpath));
    case URING_UNLINKAT:
      return compare_filename(room, BPF_CORE_READ((struct io_unlink*)request, filename));
    case URING_LINKAT:
      watch = compare_filename(room, BPF_CORE_READ((struct io_link*)request, oldpath));
      return watch ? watch : compare_filename(room, BPF_CORE_READ((struct io_link*)request, newpath));
    case URING_SETXATTR:
      return compare_filename(room, BPF_CORE_READ((struct io_xattr*)request, filename));
    default:
      return 0;
  }
}

SEC("raw_tracepoint")
int submit_request(struct bpf_raw_tracepoint_args* call) {
  void* request = (void*)call->args[0];
  __u8 opcode = BPF_CORE_READ((struct io_kiocb*)request, opcode);
  if (opcode < URING_OPENAT || opcode > URING_SETXATTR) return 0;
  struct akm_scratch* room = get_scratch();
  if (!room) return 0;
  int watch = compare_request(room, request, opcode);
  if (!watch || (watch == AKM_WATCH_PROCESS && opcode != URING_OPENAT && opcode != URING_OPENAT2) ||
      is_ours())
    return 0;
  begin_event(&room->event, (__u8)watch, AKM_OP_IO_URING);
  room->event.argument = opcode;
  set_path(&room->event, room->key.path);
  send_event(&room->event);
  return 0;
}
