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

#define PROC_SUPER_MAGIC 0x9fa0
#define PID_FS_MAGIC 0x50494446
#define FMODE_WRITE 2
#define S_IFMT 0170000
#define S_IFCHR 0020000
#define EPERM 1
#define MAX_EXECUTABLE_NAMES 12

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct akm_control);
} control SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 256 * 1024);
} ring SEC(".maps");

/* Kept for what may be critical, so that a flood of the rest leaves it room. */
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 128 * 1024);
} critical_ring SEC(".maps");

#define AKM_HASH(name, key_type, value_type, entries) \
  struct {                                            \
    __uint(type, BPF_MAP_TYPE_HASH);                  \
    __uint(max_entries, entries);                     \
    __type(key, key_type);                            \
    __type(value, value_type);                        \
  } name SEC(".maps")

AKM_HASH(guarded_keys, __s32, __u8, AKM_MAX_KEYS);
/* Value: the heartbeat that registered the thread; older ones are removed by the loader. */
AKM_HASH(our_pids, struct akm_pid_key, __u64, AKM_MAX_PIDS);
AKM_HASH(watched_folders, struct akm_folder_key, __u8, AKM_MAX_FOLDERS);
AKM_HASH(watched_devices, __u32, __u8, AKM_MAX_DEVICES);
AKM_HASH(watched_names, struct akm_name_key, __u8, AKM_MAX_NAMES);
AKM_HASH(watched_tools, struct akm_folder_key, __u8, AKM_MAX_TOOLS);
AKM_HASH(our_objects, struct akm_object_key, __u8, AKM_MAX_OBJECTS);

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, AKM_MAX_PREFIXES);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct akm_prefix_key);
  __type(value, __u8);
} watched_prefixes SEC(".maps");

/* What is known of a call at its begin. */
struct akm_held {
  __u8 watch;
  __u8 operation;
  __u8 zero[2];
  __s32 serial;
  __u32 target;
  __u32 flags;
  __u64 boottime_ns;
  __u64 argument;
  char path[AKM_PATH_BYTES];
  __u32 path_bytes;
  __u32 more_zero;
};

/* Watched calls between their begin and their end, by thread. */
AKM_HASH(pending, __u64, struct akm_held, AKM_MAX_PENDING);

struct akm_bucket {
  __s64 tokens;
  __u64 filled_ns;
};

enum {
  SOURCE_PROCESS = 0,
  SOURCE_USER = 1,
  SOURCE_CRITICAL_WATCH = 2,
  SOURCE_CRITICAL_PROCESS = 3, /* and the watch: each has a bucket of its own */
};

struct akm_source {
  __u32 kind;
  __u32 id;
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, AKM_MAX_SOURCES);
  __type(key, struct akm_source);
  __type(value, struct akm_bucket);
} buckets SEC(".maps");

/* By watch and enum akm_count. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, AKM_WATCHES* AKM_COUNTS);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

struct akm_scratch {
  struct akm_held held;
  struct akm_prefix_key key;
  struct akm_name_key name;
};

/* Too large for the stack. Of the tracepoint programs only: those of one CPU do not interrupt each other,
 * since they run with preemption off and the kernel refuses a nested one. LSM and fentry programs can be
 * preempted and have rooms of their own. */
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

static __always_inline struct akm_control* get_control(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&control, &zero);
}

static __always_inline void count(__u32 watch, __u32 what) {
  __u32 index = watch * AKM_COUNTS + what;
  __u64* number = bpf_map_lookup_elem(&counts, &index);
  if (number) __sync_fetch_and_add(number, 1);
}

static __always_inline struct task_struct* current_task(void) {
  return (struct task_struct*)bpf_get_current_task();
}

enum akm_caller {
  CALLER_FOREIGN = 0,
  CALLER_OURS = 1,
  CALLER_SELF_TEST = 2, /* foreign, for a good purpose */
};

static __always_inline __u64 start_of_caller(void) {
  return BPF_CORE_READ(current_task(), group_leader, start_boottime);
}

/* Exact in nested pid namespaces: a process in another namespace is never us, whatever its number; nor is one
 * that has our number after us. Several daemons on one machine each have their own objects, so each has its
 * own "we". */
static __always_inline int caller(void) {
  struct bpf_pidns_info info = {};
  struct akm_control* own = get_control();
  if (!own) return CALLER_FOREIGN;
  if (bpf_get_ns_current_pid_tgid(own->pid_ns_device, own->pid_ns_inode, &info, sizeof(info)))
    return CALLER_FOREIGN;
  if (info.tgid == own->tgid && (!own->started_ns || own->started_ns == start_of_caller()))
    return CALLER_OURS;
  return own->self_test_tgid && info.tgid == own->self_test_tgid ? CALLER_SELF_TEST : CALLER_FOREIGN;
}

static __always_inline int is_ours(void) {
  return caller() == CALLER_OURS;
}

/* The host's init, and kernel threads: not the callers that we look for. */
static __always_inline int is_init(void) {
  return (bpf_get_current_pid_tgid() >> 32) <= 1;
}

static __always_inline int denies(__u8 watch) {
  struct akm_control* own = get_control();
  return own && own->deny[watch & 31];
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

#include "bpf/programs/record.bpf.h"

#endif
