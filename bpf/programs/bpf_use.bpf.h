/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D6 and D7: the bpf() call of others, and our own objects in their hands. */
#ifndef AKM_BPF_USE_BPF_H
#define AKM_BPF_USE_BPF_H

enum {
  CMD_MAP_UPDATE = 2,
  CMD_MAP_DELETE = 3,
  CMD_PROG_LOAD = 5,
  CMD_PROG_ATTACH = 8,
  CMD_PROG_DETACH = 9,
  CMD_MAP_FREEZE = 22,
  CMD_PROG_GET_FD = 13,
  CMD_MAP_GET_FD = 14,
  CMD_RAW_TRACEPOINT_OPEN = 17,
  CMD_LOOKUP_AND_DELETE = 21,
  CMD_LINK_CREATE = 28,
  CMD_LINK_UPDATE = 29,
  CMD_LINK_GET_FD = 30,
  CMD_LINK_DETACH = 34,
};

static __always_inline int is_our_object(__u32 kind, __u32 id) {
  struct akm_object_key key = {.kind = kind, .id = id};
  return id && bpf_map_lookup_elem(&our_objects, &key) != 0;
}

/* What is behind a descriptor of the caller: a file of another kind reads as some number that is not ours. */
static __always_inline int is_our_descriptor(__u32 kind, int fd) {
  struct file* file = file_of(fd);
  void* object = file ? BPF_CORE_READ(file, private_data) : 0;
  if (!object) return 0;
  if (kind == AKM_OBJECT_MAP) return is_our_object(kind, BPF_CORE_READ((struct bpf_map*)object, id));
  return is_our_object(kind, BPF_CORE_READ((struct bpf_link*)object, id));
}

/* By the command and the first number of its attributes; 0 when it is of no interest. */
static __always_inline __u8 watch_of_command(__u32 command, __u32 first) {
  switch (command) {
    case CMD_PROG_LOAD:
    case CMD_PROG_ATTACH:
    case CMD_RAW_TRACEPOINT_OPEN:
    case CMD_LINK_CREATE:
      return AKM_WATCH_BPF_USE;
    case CMD_MAP_UPDATE:
    case CMD_MAP_DELETE:
    case CMD_MAP_FREEZE:
    case CMD_LOOKUP_AND_DELETE:
      return is_our_descriptor(AKM_OBJECT_MAP, (int)first) ? AKM_WATCH_BPF_OURS : 0;
    case CMD_LINK_UPDATE:
    case CMD_LINK_DETACH:
      return is_our_descriptor(AKM_OBJECT_LINK, (int)first) ? AKM_WATCH_SENSOR : 0;
    case CMD_MAP_GET_FD:
      return is_our_object(AKM_OBJECT_MAP, first) ? AKM_WATCH_BPF_OURS : 0;
    case CMD_PROG_GET_FD:
      return is_our_object(AKM_OBJECT_PROGRAM, first) ? AKM_WATCH_BPF_OURS : 0;
    case CMD_LINK_GET_FD:
      return is_our_object(AKM_OBJECT_LINK, first) ? AKM_WATCH_BPF_OURS : 0;
    default:
      return 0;
  }
}

/* The attributes are the caller's memory and can change: the LSM tier reads the kernel's copy. */
SEC("tracepoint")
int enter_bpf(struct akm_sys_enter* call) {
  __u32 first = 0;
  __u32 command = (__u32)call->args[0];
  /* fd of MAP_UPDATE, LINK_UPDATE, LINK_DETACH, and the id of GET_FD: the first number. */
  (void)bpf_probe_read_user(&first, sizeof(first), (const void*)call->args[1]);
  __u8 watch = watch_of_command(command, first);
  if (watch) hold_call(watch, AKM_OP_BPF, command, 0);
  return 0;
}

static __always_inline int judge_bpf(unsigned long long* context, __u8 tier) {
  __u32 first = 0;
  __u32 command = (__u32)context[0];
  if ((int)context[3]) return 0;
  (void)bpf_probe_read_kernel(&first, sizeof(first), (const void*)context[1]);
  __u8 watch = watch_of_command(command, first);
  if (!watch || is_ours()) return 0;
  return judge_early(tier, watch, AKM_OP_BPF, command, 0, 0);
}

AKM_GUARD(bpf, "bpf", judge_bpf)

#endif
