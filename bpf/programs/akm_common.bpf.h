/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Maps and helpers of all programs: who we are, what is watched, how a record leaves. */
#ifndef AKM_COMMON_BPF_H
#define AKM_COMMON_BPF_H

/* linux/bpf.h first: the others need its types. */
// clang-format off
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
// clang-format on

#include "bpf/include/akm_core.h"
#include "bpf/include/akm_events.h"

/* Set by the loader before the load: our process in its own pid namespace, and that namespace. Several
 * daemons on one machine each have their own objects, so each has its own "we". */
const volatile __u32 our_tgid = 0;
const volatile __u64 our_pid_ns_device = 0;
const volatile __u64 our_pid_ns_inode = 0;

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 256 * 1024);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, AKM_MAX_KEYS);
  __type(key, __s32);
  __type(value, __u8);
} guarded_keys SEC(".maps");

/* Value: the heartbeat that registered the thread; older ones are removed by the loader. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, AKM_MAX_PIDS);
  __type(key, struct akm_pid_key);
  __type(value, __u64);
} our_pids SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, AKM_MAX_PREFIXES);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct akm_prefix_key);
  __type(value, __u8);
} watched_prefixes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, AKM_MAX_FOLDERS);
  __type(key, struct akm_folder_key);
  __type(value, __u8);
} watched_folders SEC(".maps");

/* Watched calls between their begin and their end, by thread. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, AKM_MAX_PENDING);
  __type(key, __u64);
  __type(value, struct akm_event);
} pending SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, AKM_DROP_REASONS);
  __type(key, __u32);
  __type(value, __u64);
} drops SEC(".maps");

struct akm_scratch {
  struct akm_event event;
  struct akm_prefix_key key;
};

/* Too large for the stack. The handlers of one CPU do not interrupt each other: they run with preemption off,
 * and the kernel refuses a nested tracing program. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct akm_scratch);
} scratch SEC(".maps");

static __always_inline struct akm_scratch* get_scratch(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&scratch, &zero);
}

static __always_inline void count_drop(__u32 reason) {
  __u64* count = bpf_map_lookup_elem(&drops, &reason);
  if (count) *count += 1;
}

/* Exact in nested pid namespaces: a process in another namespace is never us, whatever its number. */
static __always_inline int is_ours(void) {
  struct bpf_pidns_info info = {};
  if (bpf_get_ns_current_pid_tgid(our_pid_ns_device, our_pid_ns_inode, &info, sizeof(info))) return 0;
  return info.tgid == our_tgid;
}

static __always_inline struct task_struct* current_task(void) {
  return (struct task_struct*)bpf_get_current_task();
}

static __always_inline void read_upid(struct pid* pid, unsigned int level, struct akm_pid_key* out) {
  const char* upid =
      (const char*)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
  struct pid_namespace* ns = 0;
  int number = 0;
  bpf_probe_read_kernel(&number, sizeof(number), upid + bpf_core_field_offset(struct upid, nr));
  bpf_probe_read_kernel(&ns, sizeof(ns), upid + bpf_core_field_offset(struct upid, ns));
  out->number = (__u32)number;
  out->pid_ns = BPF_CORE_READ(ns, ns.inum);
}

/* Is this number, in the caller's pid namespace, one of our threads? */
static __always_inline int is_our_pid(__u32 number) {
  struct pid* pid = BPF_CORE_READ(current_task(), thread_pid);
  struct akm_pid_key key;
  read_upid(pid, BPF_CORE_READ(pid, level), &key);
  key.number = number;
  return bpf_map_lookup_elem(&our_pids, &key) != 0;
}

/* Is this the kernel's name of one of our threads? Every thread has a number at level 0. */
static __always_inline int is_our_struct_pid(struct pid* pid) {
  struct akm_pid_key key;
  if (!pid) return 0;
  read_upid(pid, 0, &key);
  return key.number != 0 && bpf_map_lookup_elem(&our_pids, &key) != 0;
}

/* enum akm_guarded, or 0 */
static __always_inline int guarded_kind(__s32 serial) {
  __u8* kind = bpf_map_lookup_elem(&guarded_keys, &serial);
  return kind ? *kind : 0;
}

static __always_inline struct file* file_of(int fd) {
  struct fdtable* table = BPF_CORE_READ(current_task(), files, fdt);
  struct file* file = 0;
  if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds)) return 0;
  struct file** files = BPF_CORE_READ(table, fd);
  bpf_probe_read_kernel(&file, sizeof(file), files + (__u32)fd);
  return file;
}

/* Everything but what is particular to the operation. */
static __always_inline void begin_event(struct akm_event* event, __u8 watch, __u8 operation) {
  __u64 id = bpf_get_current_pid_tgid();
  __builtin_memset(event, 0, sizeof(*event));
  event->version = AKM_EVENT_VERSION;
  event->watch = watch;
  event->operation = operation;
  event->outcome = AKM_OUTCOME_UNKNOWN;
  event->boottime_ns = bpf_ktime_get_boot_ns();
  event->cgroup_id = bpf_get_current_cgroup_id();
  event->pid = (__u32)id;
  event->tgid = (__u32)(id >> 32);
  event->uid = (__u32)bpf_get_current_uid_gid();
  bpf_get_current_comm(event->comm, sizeof(event->comm));
}

/* A wake-up costs more than everything else here: a refused attempt waits for the next drain, what happened
 * does not. Root at our keys or our process does not wait either: the kernel refuses it too, and it is the
 * breach to be answered. Attempts that anybody can make may fill half of the ring only. */
static __always_inline void send_event(struct akm_event* event) {
  int of_root = event->uid == 0 && (event->watch == AKM_WATCH_KEY || event->watch == AKM_WATCH_PROCESS);
  int harmless = event->outcome == AKM_OUTCOME_REFUSED && !of_root;
  int waits = harmless || event->watch == AKM_WATCH_SELF;
  if (harmless &&
      bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 2) {
    count_drop(AKM_DROP_REFUSED);
    return;
  }
  if (bpf_ringbuf_output(&ring, event, sizeof(*event), waits ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP)) {
    count_drop(AKM_DROP_RING_FULL);
  }
}

/* Keeps the record until the call's end, when it is known whether anything happened. */
static __always_inline void hold_event(struct akm_event* event) {
  __u64 id = bpf_get_current_pid_tgid();
  if (bpf_map_update_elem(&pending, &id, event, BPF_ANY)) {
    count_drop(AKM_DROP_PENDING_FULL);
    if (event->watch != AKM_WATCH_KEY || event->serial) send_event(event);
  }
}

static __always_inline int release_event(long result) {
  __u64 id = bpf_get_current_pid_tgid();
  struct akm_event* event = bpf_map_lookup_elem(&pending, &id);
  if (!event) return 0;
  event->result = result;
  event->outcome = result < 0 ? AKM_OUTCOME_REFUSED : AKM_OUTCOME_SUCCEEDED;
  send_event(event);
  bpf_map_delete_elem(&pending, &id);
  return 1;
}

static __always_inline void set_path(struct akm_event* event, const char* path) {
  long length = bpf_probe_read_kernel_str(event->path, sizeof(event->path), path);
  if (length <= 0) return;
  event->path_bytes = (__u32)length - 1;
  event->flags |= AKM_FLAG_PATH;
  if (length == sizeof(event->path)) event->flags |= AKM_FLAG_TRUNCATED;
}

#endif
