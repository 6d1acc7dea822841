/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the BPF programs and the loader share: one record, the map keys, the cookies. Included by both sides
 * as C; the sizes are asserted on both, so that neither can change alone. The record is untrusted input to
 * user space. */
#ifndef AKM_EVENTS_H
#define AKM_EVENTS_H

#ifndef AKM_BPF_SIDE
#include <linux/types.h>
#endif

#define AKM_EVENT_VERSION 2
#define AKM_PATH_BYTES 128      /* of a record: the first bytes of what was passed, NUL included */
#define AKM_EXECUTABLE_BYTES 96 /* names from the file upwards, each with its NUL */
#define AKM_DIGEST_BYTES 32
#define AKM_PREFIX_BYTES 192 /* longest watched folder, '/' included */
#define AKM_NAME_BYTES 32
#define AKM_COMM_BYTES 16
#define AKM_MAX_KEYS 4096 /* guarded key serials */
#define AKM_MAX_PIDS 256  /* (pid namespace, number) pairs of our threads */
#define AKM_MAX_PREFIXES 256
#define AKM_MAX_FOLDERS 128  /* watched directories, by device and inode */
#define AKM_MAX_DEVICES 64   /* character devices */
#define AKM_MAX_NAMES 128    /* files of special file systems, by name */
#define AKM_MAX_TOOLS 64     /* programs whose start is told */
#define AKM_MAX_OBJECTS 1024 /* our own BPF programs, maps and links */
#define AKM_MAX_PENDING 2048 /* watched calls that have begun and not ended */
#define AKM_MAX_DEPTH 4      /* directories above an opened file that are compared */
#define AKM_MAX_SOURCES 1024 /* token buckets */

/* Records of a source (process, user) a second, and at once; more are counted and dropped. */
#define AKM_PROCESS_RATE 50
#define AKM_USER_RATE 200
/* The same of what may be critical: of a process against one watch, and of all against one watch. The ring
 * that is kept for it holds three times the latter, so none of them hides another. */
#define AKM_CRITICAL_PROCESS_RATE 20
#define AKM_CRITICAL_WATCH_RATE 100

/* keyctl() operation of the heartbeat: no kernel knows it, so it fails and changes nothing. */
#define AKM_SELF_PROBE 0x414b4d31u /* "AKM1" */

enum akm_watch {
  AKM_WATCH_SELF = 1,           /* heartbeat */
  AKM_WATCH_KEY = 2,            /* D1 */
  AKM_WATCH_PROCESS = 3,        /* D2 */
  AKM_WATCH_STATE = 4,          /* D10 */
  AKM_WATCH_CONFIG = 5,         /* D10 */
  AKM_WATCH_INSPECTION = 6,     /* D3 */
  AKM_WATCH_KERNEL_MEMORY = 7,  /* D4 */
  AKM_WATCH_MODULE = 8,         /* D5 */
  AKM_WATCH_BPF_USE = 9,        /* D6 */
  AKM_WATCH_BPF_OURS = 10,      /* D6 */
  AKM_WATCH_SENSOR = 11,        /* D7 */
  AKM_WATCH_SIGNAL = 12,        /* D8 */
  AKM_WATCH_TPM = 13,           /* D9 */
  AKM_WATCH_MOUNT = 14,         /* D11 */
  AKM_WATCH_CORE_DUMP = 15,     /* D12 */
  AKM_WATCH_HARDENING = 16,     /* D13 */
  AKM_WATCH_MAC = 17,           /* D14 */
  AKM_WATCH_KEXEC = 18,         /* D15 */
  AKM_WATCH_DEBUGGER = 19,      /* D16 */
  AKM_WATCH_FILELESS = 20,      /* D17 */
  AKM_WATCH_FOREIGN_CODE = 21,  /* D18 */
  AKM_WATCH_SERVICE = 22,       /* D19 */
  AKM_WATCH_IO_URING = 23,      /* D20 */
  AKM_WATCH_CONSUMER_KEYS = 24, /* D24 */
  AKM_WATCH_PACKET = 25,        /* D25 */
  AKM_WATCH_CLOCK = 26,         /* D29 */
  AKM_WATCH_PRIVILEGE = 27,     /* D31 */
  AKM_WATCH_LOG = 28,           /* D30 */
  AKM_WATCHES = 29,
};
/* Beside the watch in the values of watched_prefixes, watched_folders and watched_names. */
#define AKM_WATCH_MASK 0x3f
#define AKM_READS_TOO 0x80   /* opens for reading count */
#define AKM_MOUNTS_ONLY 0x40 /* of a folder above ours only what is mounted there counts */

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
  AKM_OP_OPEN = 23,
  AKM_OP_CREATE = 24,
  AKM_OP_MODULE = 25, /* path: the module's name, where it is known */
  AKM_OP_KEXEC = 26,
  AKM_OP_BPF = 27,        /* argument: the bpf() command */
  AKM_OP_SIGNAL = 28,     /* argument: the signal */
  AKM_OP_EXEC = 29,       /* path: the file's name */
  AKM_OP_MAP_CODE = 30,   /* argument: the protection */
  AKM_OP_RING_SETUP = 31, /* argument: the IORING_SETUP flags */
  AKM_OP_SOCKET = 32,     /* argument: family << 32 | type << 16 | protocol */
  AKM_OP_NETLINK = 33,    /* argument: netlink protocol << 16 | message type */
  AKM_OP_SET_CLOCK = 34,
  AKM_OP_CAPABILITY = 35,     /* argument: the capabilities gained */
  AKM_OP_KEY_PERMISSION = 36, /* argument: KEY_NEED_*, as the kernel asks its security modules */
  AKM_OP_PTRACE_ACCESS = 37,  /* argument: PTRACE_MODE_* */
  AKM_OP_ATTRIBUTES = 38,     /* times, chattr */
  AKM_OP_CREDENTIALS = 39,    /* of another, taken on by a request of io_uring */
  AKM_OP_LOG = 40,            /* argument: the syslog() action, or the type of the audit message */
  AKM_OP_MAX = 40,
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
  AKM_FLAG_PATH = 1,           /* path holds something */
  AKM_FLAG_TRUNCATED = 2,      /* and was longer */
  AKM_FLAG_SELF_TEST = 4,      /* provoked by ourselves at the start */
  AKM_FLAG_UNWATCHED = 8,      /* made while no heartbeat came: nobody read the rings */
  AKM_FLAG_EXECUTABLE_CUT = 16 /* the executable's names do not reach the root */
};

enum akm_tier {
  AKM_TIER_TRACEPOINT = 1,
  AKM_TIER_IO_URING = 2, /* the io_uring tracepoints */
  AKM_TIER_FENTRY = 3,
  AKM_TIER_LSM = 4,
  AKM_TIER_MAX = 4,
};

/* Counted for each watch. What was made and is in none of the three drops has gone to a ring. */
enum akm_count {
  AKM_COUNT_MADE = 0,
  AKM_COUNT_RING_FULL = 1, /* dropped: no room */
  AKM_COUNT_LIMITED = 2,   /* dropped: its source had no token left */
  AKM_COUNT_REFUSED = 3,   /* dropped: a refused attempt that found the ring half full, which is kept for what
                              happened */
  AKM_COUNT_PENDING_FULL = 4,     /* a call was reported at its begin, without outcome */
  AKM_COUNT_NO_PATH = 5,          /* a path argument could not be read, so it was not compared */
  AKM_COUNT_PIDS_FULL = 6,        /* a thread of ours could not be registered */
  AKM_COUNT_UNWATCHED = 7,        /* made while the heartbeat was missing */
  AKM_COUNT_CRITICAL_LIMITED = 8, /* dropped: critical, of root, and its source had no token left */
  AKM_COUNTS = 9,
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
  __s64 result;              /* what the call returned */
  __u64 started_boottime_ns; /* the process */
  __u64 executable_inode;
  __u32 pid; /* host's numbers: of the initial pid namespace */
  __u32 tgid;
  __u32 uid;
  __s32 serial; /* key, or 0 */
  __u32 target; /* the pid that was passed, in the caller's pid namespace, or 0 */
  __u32 path_bytes;
  __u32 executable_device;
  __u32 executable_bytes;
  __u32 parent_tgid;
  __u8 tier;         /* enum akm_tier */
  __u8 digest_bytes; /* 0, or AKM_DIGEST_BYTES: SHA-256 of the program that is started */
  __u8 zero[2];
  __u8 digest[AKM_DIGEST_BYTES];
  char comm[AKM_COMM_BYTES];
  char parent_comm[AKM_COMM_BYTES];
  char executable[AKM_EXECUTABLE_BYTES]; /* "sh\0bin\0usr\0" is /usr/bin/sh */
  char path[AKM_PATH_BYTES];
};

/* What user space tells the programs: who we are, and that we are there. */
struct akm_control {
  __u64 pid_ns_device; /* our pid namespace */
  __u64 pid_ns_inode;
  __u64 heartbeat_ns;       /* boot time of the last heartbeat */
  __u64 heartbeat_limit_ns; /* later than this after it, nobody watches */
  __u64 lost_told;          /* records without room that were told: for who takes the programs up */
  __u64 started_ns;         /* boot time of our start, 0: not known yet; a number may be given again */
  __u32 tgid;               /* our process, in our pid namespace */
  __u32 self_test_tgid;     /* the child that provokes the probes at the start, or 0 */
  __u32 mount_ns;           /* inode number of our mount namespace */
  __u32 wireguard_family;   /* generic netlink family, or 0 */
  __u8 deny[32];            /* by watch, where the tier can */
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

/* A file of procfs, sysctl, securityfs and the like, by its name; or of one folder, by the folder's inode. */
struct akm_name_key {
  __u64 folder; /* inode of the folder, 0: `parent` is its name */
  __u32 device; /* of the folder; for a special file system its magic number */
  __u32 zero;
  char parent[AKM_NAME_BYTES];
  char name[AKM_NAME_BYTES];
};

enum akm_object_kind {
  AKM_OBJECT_MAP = 1,
  AKM_OBJECT_PROGRAM = 2,
  AKM_OBJECT_LINK = 3,
};

struct akm_object_key {
  __u32 kind;
  __u32 id;
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
AKM_ASSERT(sizeof(struct akm_event) == 384, "record");
AKM_ASSERT(sizeof(struct akm_pid_key) == 8, "pid key");
AKM_ASSERT(sizeof(struct akm_prefix_key) == 4 + AKM_PREFIX_BYTES, "prefix key");
AKM_ASSERT(sizeof(struct akm_folder_key) == 16, "folder key");
AKM_ASSERT(sizeof(struct akm_name_key) == 80, "name key");
AKM_ASSERT(sizeof(struct akm_control) == 96, "control");
AKM_ASSERT(AKM_WATCHES <= 32, "watches fit the deny flags and a bit mask");

#endif
