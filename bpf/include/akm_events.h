/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the BPF programs and the loader share: one record, the map keys, the cookies. Included by both sides
 * as C; the sizes are asserted on both, so that neither can change alone. The record is untrusted input to
 * user space. */
#ifndef AKM_EVENTS_H
#define AKM_EVENTS_H

#ifndef AKM_BPF_SIDE
#include <linux/types.h>
#endif

#define AKM_EVENT_VERSION 1
#define AKM_PATH_BYTES 128   /* of a record: the first bytes of what was passed, NUL included */
#define AKM_PREFIX_BYTES 192 /* longest watched folder, '/' included */
#define AKM_COMM_BYTES 16
#define AKM_MAX_KEYS 4096 /* guarded key serials */
#define AKM_MAX_PIDS 256  /* (pid namespace, number) pairs of our threads */
#define AKM_MAX_PREFIXES 64
#define AKM_MAX_FOLDERS 64   /* watched directories, by device and inode */
#define AKM_MAX_PENDING 2048 /* watched calls that have begun and not ended */
#define AKM_MAX_DEPTH 4      /* directories above an opened file that are compared */

/* keyctl() operation of the heartbeat: no kernel knows it, so it fails and changes nothing. */
#define AKM_SELF_PROBE 0x414b4d31u /* "AKM1" */

enum akm_watch {
  AKM_WATCH_SELF = 1, /* heartbeat */
  AKM_WATCH_KEY = 2,
  AKM_WATCH_PROCESS = 3,
  AKM_WATCH_STATE = 4,
  AKM_WATCH_CONFIG = 5,
};

enum akm_operation {
  AKM_OP_SELF_PROBE = 1,
  AKM_OP_KEYCTL = 2, /* argument: the keyctl command */
  AKM_OP_ADD_KEY = 3,
  AKM_OP_REQUEST_KEY = 4,
  AKM_OP_PTRACE = 5, /* argument: the ptrace request */
  AKM_OP_VM_READ = 6,
  AKM_OP_VM_WRITE = 7,
  AKM_OP_PIDFD_GETFD = 8, /* argument: the wanted descriptor */
  AKM_OP_OPEN_MEM = 9,
  AKM_OP_OPEN_WRITE = 10,
  AKM_OP_RENAME = 11,
  AKM_OP_UNLINK = 12,
  AKM_OP_TRUNCATE = 13,
  AKM_OP_CHMOD = 14,
  AKM_OP_CHOWN = 15,
  AKM_OP_XATTR = 16,
  AKM_OP_LINK = 17,
  AKM_OP_SYMLINK = 18,
  AKM_OP_MKDIR = 19,
  AKM_OP_MOUNT = 20,
  AKM_OP_UNMOUNT = 21,
  AKM_OP_IO_URING = 22, /* argument: the io_uring opcode; the path is what was passed */
  AKM_OP_MAX = 22,
};

/* Values of the guarded-keys map. Reading a keyring lists its keys and shows no secret: `keyctl show` does
 * it. */
enum akm_guarded {
  AKM_GUARDED_KEY = 1,
  AKM_GUARDED_KEYRING = 2,
};

enum akm_outcome {
  AKM_OUTCOME_SUCCEEDED = 1,
  AKM_OUTCOME_REFUSED = 2, /* the call returned an error: result is -errno */
  AKM_OUTCOME_UNKNOWN = 3, /* seen at its begin only */
};

enum akm_flag {
  AKM_FLAG_PATH = 1,      /* path holds something */
  AKM_FLAG_TRUNCATED = 2, /* and was longer */
};

enum akm_drop {
  AKM_DROP_RING_FULL = 0,    /* a record was lost */
  AKM_DROP_PENDING_FULL = 1, /* a call was reported at its begin, without outcome */
  AKM_DROP_NO_PATH = 2,      /* a path argument could not be read, so it was not compared */
  AKM_DROP_PIDS_FULL = 3,    /* a thread of ours could not be registered */
  AKM_DROP_REFUSED =
      4, /* refused attempts that found the ring half full: it is kept free for what happened */
  AKM_DROP_REASONS = 5,
};

struct akm_event {
  __u8 version;
  __u8 watch;     /* enum akm_watch */
  __u8 operation; /* enum akm_operation */
  __u8 outcome;   /* enum akm_outcome */
  __u32 flags;    /* enum akm_flag */
  __u64 boottime_ns;
  __u64 argument; /* see the operation */
  __u64 cgroup_id;
  __s64 result; /* what the call returned */
  __u32 pid;    /* host's numbers: of the initial pid namespace */
  __u32 tgid;
  __u32 uid;
  __s32 serial; /* key, or 0 */
  __u32 target; /* the pid that was passed, in the caller's pid namespace, or 0 */
  __u32 path_bytes;
  char comm[AKM_COMM_BYTES];
  char path[AKM_PATH_BYTES];
};

/* A thread of ours, as a caller in that pid namespace would name it. */
struct akm_pid_key {
  __u32 pid_ns; /* inode number of the namespace */
  __u32 number;
};

struct akm_prefix_key {
  __u32 bits; /* of `path` */
  char path[AKM_PREFIX_BYTES];
};

struct akm_folder_key {
  __u64 inode;
  __u32 device; /* the kernel's encoding: major << 20 | minor */
  __u32 zero;
};

/* Which arguments of a watched system call are paths: the cookie of its link. */
#define AKM_COOKIE(operation, first, second)                              \
  ((unsigned long long)(operation) | ((unsigned long long)(first) << 8) | \
   ((unsigned long long)(second) << 16))
#define AKM_NO_ARGUMENT 0xff

#ifdef __cplusplus
#define AKM_ASSERT(condition, text) static_assert(condition, text)
#else
#define AKM_ASSERT(condition, text) _Static_assert(condition, text)
#endif
AKM_ASSERT(sizeof(struct akm_event) == 208, "record");
AKM_ASSERT(sizeof(struct akm_pid_key) == 8, "pid key");
AKM_ASSERT(sizeof(struct akm_prefix_key) == 4 + AKM_PREFIX_BYTES, "prefix key");
AKM_ASSERT(sizeof(struct akm_folder_key) == 16, "folder key");

#endif
