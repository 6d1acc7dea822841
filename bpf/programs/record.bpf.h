/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* How a record is made and leaves: who did it, which ring, whose token. Included by akm_common.bpf.h. */
#ifndef AKM_RECORD_BPF_H
#define AKM_RECORD_BPF_H

/* Not reordered, and the same names as in the rows of docs/detections.md: critical when it happened. */
#define CRITICAL_WATCHES                                                                          \
  (1u << AKM_WATCH_SELF | 1u << AKM_WATCH_KEY | 1u << AKM_WATCH_PROCESS | 1u << AKM_WATCH_STATE | \
   1u << AKM_WATCH_KERNEL_MEMORY | 1u << AKM_WATCH_BPF_OURS | 1u << AKM_WATCH_SENSOR |            \
   1u << AKM_WATCH_FOREIGN_CODE)
/* An attempt of root that was refused weighs as much there: the kernel lets nobody in. */
#define SECRET_WATCHES (1u << AKM_WATCH_KEY | 1u << AKM_WATCH_PROCESS | 1u << AKM_WATCH_BPF_OURS)

/* So does what we denied root ourselves: nothing else would have kept it from happening. */
static __always_inline int is_critical(__u8 watch, __u8 outcome, __u8 tier) {
  __u32 bit = 1u << (watch & 31);
  int of_root = (__u32)bpf_get_current_uid_gid() == 0;
  if (!(CRITICAL_WATCHES & bit)) return 0;
  return outcome == AKM_OUTCOME_SUCCEEDED || (of_root && ((SECRET_WATCHES & bit) || tier == AKM_TIER_LSM));
}

/* A bucket fills at `rate` a second and holds one second's worth. Races between processors cost or give a
 * token. */
static __always_inline int take_token(__u32 kind, __u32 id, __s64 rate) {
  struct akm_source source = {.kind = kind, .id = id};
  __u64 now = bpf_ktime_get_boot_ns();
  struct akm_bucket* bucket = bpf_map_lookup_elem(&buckets, &source);
  if (!bucket) {
    struct akm_bucket full = {.tokens = rate - 1, .filled_ns = now};
    return bpf_map_update_elem(&buckets, &source, &full, BPF_ANY) == 0;
  }
  __u64 filled = bucket->filled_ns;
  __u64 passed = now > filled ? now - filled : 0;
  __s64 grown = passed > 1000000000ull ? rate : (__s64)(passed * (__u64)rate / 1000000000ull);
  if (grown > 0 && __sync_val_compare_and_swap(&bucket->filled_ns, filled, now) == filled) {
    __s64 tokens = bucket->tokens;
    if (tokens < 0) tokens = 0;
    bucket->tokens = tokens + grown > rate ? rate : tokens + grown;
  }
  if (bucket->tokens <= 0) return 0;
  return (__s64)__sync_fetch_and_add(&bucket->tokens, -1) > 0;
}

/* Whoever does one thing again and again leaves the ring room for others, and for other things of his. Users
 * without rights can make calls that succeed and do nothing, by as many processes as they like: root has a
 * budget of its own. */
static __always_inline int critical_token(__u8 watch, int of_root) {
  __u32 process = (__u32)(bpf_get_current_pid_tgid() >> 32);
  if (watch == AKM_WATCH_SELF) return 1;
  return take_token(SOURCE_CRITICAL_PROCESS + watch, process, AKM_CRITICAL_PROCESS_RATE) &&
         take_token(SOURCE_CRITICAL_WATCH, (__u32)watch << 1 | (of_root != 0), AKM_CRITICAL_WATCH_RATE);
}

static __always_inline int ordinary_token(void) {
  return take_token(SOURCE_PROCESS, (__u32)(bpf_get_current_pid_tgid() >> 32), AKM_PROCESS_RATE) &&
         take_token(SOURCE_USER, (__u32)bpf_get_current_uid_gid(), AKM_USER_RATE);
}

/* A global function: the verifier goes through it once, not once for each way that leads here. */
__noinline int name_executable(struct akm_event* event, __u64 address) {
  struct file* file = (struct file*)address;
  if (!event) return 0;
  struct vfsmount* mount = BPF_CORE_READ(file, f_path.mnt);
  struct dentry* dentry = BPF_CORE_READ(file, f_path.dentry);
  struct inode* inode = BPF_CORE_READ(file, f_inode);
  __u32 at = 0;
  event->executable_inode = BPF_CORE_READ(inode, i_ino);
  event->executable_device = BPF_CORE_READ(inode, i_sb, s_dev);
  event->flags |= AKM_FLAG_EXECUTABLE_CUT;
  for (int i = 0; i < MAX_EXECUTABLE_NAMES; ++i) {
    struct dentry* parent = BPF_CORE_READ(dentry, d_parent);
    if (dentry == BPF_CORE_READ(mount, mnt_root)) {
      struct mount* real = (struct mount*)((char*)mount - bpf_core_field_offset(struct mount, mnt));
      struct mount* above = BPF_CORE_READ(real, mnt_parent);
      if (above == real || !above) {
        event->flags &= ~AKM_FLAG_EXECUTABLE_CUT;
        break;
      }
      dentry = BPF_CORE_READ(real, mnt_mountpoint);
      mount = (struct vfsmount*)((char*)above + bpf_core_field_offset(struct mount, mnt));
      continue;
    }
    if (at > AKM_EXECUTABLE_BYTES - AKM_NAME_BYTES) break;
    long length = bpf_probe_read_kernel_str(event->executable + at, AKM_NAME_BYTES,
                                            (const void*)BPF_CORE_READ(dentry, d_name.name));
    if (length <= 1 || length > AKM_NAME_BYTES) break;
    at += (__u32)length;
    if (dentry == parent) break; /* a memfd is in no folder */
    dentry = parent;
  }
  event->executable_bytes = at;
  return 0;
}

static __noinline void name_caller(struct akm_event* event) {
  __u64 id = bpf_get_current_pid_tgid();
  struct task_struct* task = (struct task_struct*)bpf_get_current_task();
  struct task_struct* leader = BPF_CORE_READ(task, group_leader);
  struct task_struct* parent = BPF_CORE_READ(leader, real_parent);
  struct file* file = BPF_CORE_READ(task, mm, exe_file);
  event->cgroup_id = bpf_get_current_cgroup_id();
  event->pid = (__u32)id;
  event->tgid = (__u32)(id >> 32);
  event->uid = (__u32)bpf_get_current_uid_gid();
  event->started_boottime_ns = BPF_CORE_READ(leader, start_boottime);
  event->parent_tgid = (__u32)BPF_CORE_READ(parent, tgid);
  bpf_probe_read_kernel(event->parent_comm, sizeof(event->parent_comm), BPF_CORE_READ(parent, comm));
  bpf_get_current_comm(event->comm, sizeof(event->comm));
  if (file) name_executable(event, (__u64)file);
}

/* Everything but what is particular to the operation; none when it is dropped, which is counted. The caller
 * completes it and gives it to close_event. */
static __always_inline struct akm_event* open_event(__u8 watch, __u8 operation, __u8 outcome, __u8 tier) {
  struct akm_event* event = 0;
  struct akm_control* own = get_control();
  __u64 now = bpf_ktime_get_boot_ns();
  __u32 flags = 0;
  int critical = is_critical(watch, outcome, tier);
  if (caller() == CALLER_SELF_TEST) flags |= AKM_FLAG_SELF_TEST;
  count(watch, AKM_COUNT_MADE);
  if (own && own->heartbeat_limit_ns && now > own->heartbeat_ns + own->heartbeat_limit_ns) {
    flags |= AKM_FLAG_UNWATCHED;
    count(watch, AKM_COUNT_UNWATCHED);
  }
  if (flags & AKM_FLAG_SELF_TEST) {
    event = bpf_ringbuf_reserve(&critical_ring, sizeof(*event), 0);
  } else if (critical) {
    int of_root = (__u32)bpf_get_current_uid_gid() == 0;
    if (!critical_token(watch, of_root)) {
      count(watch, of_root ? AKM_COUNT_CRITICAL_LIMITED : AKM_COUNT_LIMITED);
      return 0;
    }
    event = bpf_ringbuf_reserve(&critical_ring, sizeof(*event), 0);
  } else {
    __u64 filled = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
    int attempt =
        outcome == AKM_OUTCOME_REFUSED || (outcome == AKM_OUTCOME_UNKNOWN && tier != AKM_TIER_IO_URING);
    if (attempt && filled > bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 2) {
      count(watch, AKM_COUNT_REFUSED);
      return 0;
    }
    if (!ordinary_token()) {
      count(watch, AKM_COUNT_LIMITED);
      return 0;
    }
  }
  /* What is critical may use the other ring too when its own is full. */
  if (!event) event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
  if (!event) {
    count(watch, AKM_COUNT_RING_FULL);
    return 0;
  }
  __builtin_memset(event, 0, sizeof(*event));
  event->version = AKM_EVENT_VERSION;
  event->watch = watch;
  event->operation = operation;
  event->outcome = outcome;
  event->tier = tier;
  event->flags = flags;
  event->boottime_ns = now;
  name_caller(event);
  return event;
}

/* A wake-up costs more than everything else here: what may be critical is told at once, the rest waits for
 * the next drain or heartbeat. */
static __always_inline void close_event(struct akm_event* event) {
  int wakes = event->watch != AKM_WATCH_SELF && is_critical(event->watch, event->outcome, event->tier);
  bpf_ringbuf_submit(event, wakes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline void set_path(struct akm_event* event, const char* path) {
  long length = bpf_probe_read_kernel_str(event->path, sizeof(event->path), path);
  if (length <= 0) return;
  event->path_bytes = (__u32)length - 1;
  event->flags |= AKM_FLAG_PATH;
  if (length == sizeof(event->path)) event->flags |= AKM_FLAG_TRUNCATED;
}

/* The whole of a record without a path. */
static __always_inline void send_event(__u8 watch, __u8 operation, __u8 outcome, __u8 tier, __u64 argument) {
  struct akm_event* event = open_event(watch, operation, outcome, tier);
  if (!event) return;
  event->argument = argument;
  close_event(event);
}

static __always_inline void send_named(__u8 watch, __u8 operation, __u8 outcome, __u8 tier, __u64 argument,
                                       const void* name) {
  struct akm_event* event = open_event(watch, operation, outcome, tier);
  if (!event) return;
  event->argument = argument;
  set_path(event, name);
  close_event(event);
}

/* ---- calls that begin and end ---- */

static __always_inline void begin_held(struct akm_held* held, __u8 watch, __u8 operation) {
  __builtin_memset(held, 0, sizeof(*held));
  held->watch = watch;
  held->operation = operation;
  held->boottime_ns = bpf_ktime_get_boot_ns();
}

static __always_inline void send_held(const struct akm_held* held, __u8 outcome, long result) {
  struct akm_event* event = open_event(held->watch, held->operation, outcome, AKM_TIER_TRACEPOINT);
  if (!event) return;
  event->boottime_ns = held->boottime_ns;
  event->argument = held->argument;
  event->serial = held->serial;
  event->target = held->target;
  event->flags |= held->flags;
  event->result = result;
  event->path_bytes = held->path_bytes;
  __builtin_memcpy(event->path, held->path, sizeof(event->path));
  close_event(event);
}

/* Keeps it until the call's end, when it is known whether anything happened. */
static __always_inline void hold(struct akm_held* held) {
  __u64 id = bpf_get_current_pid_tgid();
  if (bpf_map_update_elem(&pending, &id, held, BPF_ANY)) {
    count(held->watch, AKM_COUNT_PENDING_FULL);
    int known = held->watch && (held->watch != AKM_WATCH_KEY || held->serial);
    if (known) send_held(held, AKM_OUTCOME_UNKNOWN, 0);
  }
}

static __always_inline void hold_call(__u8 watch, __u8 operation, __u64 argument, __u32 target) {
  struct akm_scratch* room = get_scratch();
  if (!room || is_ours()) return;
  begin_held(&room->held, watch, operation);
  room->held.argument = argument;
  room->held.target = target;
  hold(&room->held);
}

/* Two threads of a process do not share an entry, and a call that never ends is overwritten by the thread's
 * next. */
static __always_inline void release(long result) {
  __u64 id = bpf_get_current_pid_tgid();
  struct akm_held* held = bpf_map_lookup_elem(&pending, &id);
  if (!held) return;
  /* A memory call for no bytes returns 0 to anybody, before the kernel looks at rights. */
  int nothing = result == 0 && (held->operation == AKM_OP_VM_READ || held->operation == AKM_OP_VM_WRITE);
  send_held(held, result < 0 || nothing ? AKM_OUTCOME_REFUSED : AKM_OUTCOME_SUCCEEDED, result);
  bpf_map_delete_elem(&pending, &id);
}

static __always_inline void hold_path(struct akm_held* held, const char* path) {
  long length = bpf_probe_read_kernel_str(held->path, sizeof(held->path), path);
  if (length <= 0) return;
  held->path_bytes = (__u32)length - 1;
  held->flags |= AKM_FLAG_PATH;
  if (length == sizeof(held->path)) held->flags |= AKM_FLAG_TRUNCATED;
}

/* Two values, each put in place on a way of its own: a compiler's -(denied & 1) has no bounds for the
 * verifier, which lets no program say anything but 0 or an error number (Linux 6.12). */
static __always_inline int verdict(int denied) {
  int result;
  if (denied) {
    asm volatile("%0 = -1" : "=r"(result)); /* -EPERM */
  } else {
    asm volatile("%0 = 0" : "=r"(result));
  }
  return result;
}

/* What a security module is asked: denied by us when the policy says so, else allowed as far as we are
 * concerned. Gives what the program returns. On the fentry tier we are not asked, and told when nobody denied
 * it. */
static __always_inline int judge_as(__u8 allowed, __u8 tier, __u8 watch, __u8 operation, __u64 argument,
                                    __s32 serial, const void* name) {
  int denied = tier == AKM_TIER_LSM && denies(watch);
  struct akm_event* event = open_event(watch, operation, denied ? AKM_OUTCOME_REFUSED : allowed, tier);
  if (event) {
    event->argument = argument;
    event->serial = serial;
    event->result = denied ? -EPERM : 0;
    if (name) set_path(event, name);
    close_event(event);
  }
  return verdict(denied);
}

static __always_inline int judge(__u8 tier, __u8 watch, __u8 operation, __u64 argument, __s32 serial,
                                 const void* name) {
  return judge_as(AKM_OUTCOME_SUCCEEDED, tier, watch, operation, argument, serial, name);
}

/* Where the kernel asks the modules before it looks at the caller's rights itself: whether it comes to
 * anything is not known of others than root, and what anybody can try must not weigh as what happened. */
static __always_inline int judge_early(__u8 tier, __u8 watch, __u8 operation, __u64 argument, __s32 serial,
                                       const void* name) {
  int of_root = (__u32)bpf_get_current_uid_gid() == 0;
  return judge_as(of_root ? AKM_OUTCOME_SUCCEEDED : AKM_OUTCOME_UNKNOWN, tier, watch, operation, argument,
                  serial, name);
}

/* `body(context, tier)` as a security module, and beside the function that asks them, at its end: there the
 * answer follows the arguments too (fexit). The latter for hooks whose function has the same arguments. */
#define AKM_LSM(name, hook, body)                 \
  SEC("lsm/" hook)                                \
  int guard_##name(unsigned long long* context) { \
    return body(context, AKM_TIER_LSM);           \
  }
#define AKM_FEXIT(name, function, body)           \
  SEC("fexit/" function)                          \
  int watch_##name(unsigned long long* context) { \
    (void)body(context, AKM_TIER_FENTRY);         \
    return 0;                                     \
  }
#define AKM_GUARD(name, hook, body) \
  AKM_LSM(name, hook, body)         \
  AKM_FEXIT(name, "security_" hook, body)

#endif
