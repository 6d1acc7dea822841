/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D20, and what io_uring does instead of system calls; the path of a request is a kernel copy. */
#ifndef AKM_IO_URING_BPF_H
#define AKM_IO_URING_BPF_H

#define O_ACCMODE 3
#define O_TRUNC 01000

enum {
  URING_OPENAT = 18,
  URING_OPENAT2 = 28,
  URING_RENAMEAT = 35,
  URING_UNLINKAT = 36,
  URING_LINKAT = 39,
  URING_SETXATTR = 42,
  URING_SOCKET = 45
};

static __always_inline int compare_filename(struct akm_scratch* room, struct filename* filename) {
  const char* name = BPF_CORE_READ(filename, name);
  return compare_path(room, bpf_probe_read_kernel_str(room->key.path, sizeof(room->key.path), name));
}

static __always_inline int opens_for_write(__u64 flags) {
  return (flags & O_ACCMODE) != 0 || (flags & O_TRUNC) != 0;
}

/* The watch of what the request names, or 0. */
static __always_inline int compare_request(struct akm_scratch* room, void* request, __u8 opcode) {
  int found = 0;
  switch (opcode) {
    case URING_OPENAT:
    case URING_OPENAT2:
      found = compare_filename(room, BPF_CORE_READ((struct io_open*)request, filename));
      if (found & AKM_MOUNTS_ONLY) return 0;
      if (!(found & AKM_READS_TOO) && !opens_for_write(BPF_CORE_READ((struct io_open*)request, how.flags)))
        return 0;
      return found & AKM_WATCH_MASK;
    case URING_RENAMEAT:
      found = compare_filename(room, BPF_CORE_READ((struct io_rename*)request, oldpath));
      if (!found) found = compare_filename(room, BPF_CORE_READ((struct io_rename*)request, newpath));
      return of_path_call(found, AKM_OP_RENAME);
    case URING_UNLINKAT:
      return of_path_call(compare_filename(room, BPF_CORE_READ((struct io_unlink*)request, filename)),
                          AKM_OP_UNLINK);
    case URING_LINKAT:
      found = compare_filename(room, BPF_CORE_READ((struct io_link*)request, oldpath));
      if (!found) found = compare_filename(room, BPF_CORE_READ((struct io_link*)request, newpath));
      return of_path_call(found, AKM_OP_LINK);
    case URING_SETXATTR:
      return of_path_call(compare_filename(room, BPF_CORE_READ((struct io_xattr*)request, filename)),
                          AKM_OP_XATTR);
    default:
      return 0;
  }
}

static __always_inline void judge_socket_request(void* request) {
  if (!bpf_core_type_exists(struct io_socket)) return;
  struct io_socket* socket = request;
  judge_socket(BPF_CORE_READ(socket, domain), BPF_CORE_READ(socket, type), BPF_CORE_READ(socket, protocol),
               AKM_OUTCOME_UNKNOWN, AKM_TIER_IO_URING);
}

SEC("raw_tracepoint")
int submit_request(struct bpf_raw_tracepoint_args* call) {
  void* request = (void*)call->args[0];
  __u8 opcode = BPF_CORE_READ((struct io_kiocb*)request, opcode);
  if (opcode < URING_OPENAT || opcode > URING_SOCKET) return 0;
  if (opcode == URING_SOCKET) {
    judge_socket_request(request);
    return 0;
  }
  struct akm_scratch* room = get_scratch();
  if (!room) return 0;
  int watch = compare_request(room, request, opcode);
  if (!watch || is_ours()) return 0;
  struct akm_event* event = open_event((__u8)watch, AKM_OP_IO_URING, AKM_OUTCOME_UNKNOWN, AKM_TIER_IO_URING);
  if (!event) return 0;
  event->argument = opcode;
  set_path(event, room->key.path);
  close_event(event);
  return 0;
}

/* A request that opened a file has ended: the file is judged as after a system call. A file of the ring's own
 * table has no descriptor; the LSM tier sees it. */
SEC("tracepoint")
int complete_request(struct trace_event_raw_io_uring_complete* call) {
  struct akm_scratch* room = get_scratch();
  int result = BPF_CORE_READ(call, res);
  void* request = BPF_CORE_READ(call, req);
  if (result < 0 || !request || !room) return 0;
  __u8 opcode = BPF_CORE_READ((struct io_kiocb*)request, opcode);
  if (opcode != URING_OPENAT && opcode != URING_OPENAT2) return 0;
  struct file* file = file_of(result);
  if (file) judge_file(file, &room->name, result, AKM_TIER_IO_URING);
  return 0;
}

/* D20: a ring of somebody else. */
SEC("raw_tracepoint")
int create_ring(struct bpf_raw_tracepoint_args* call) {
  if (is_ours()) return 0;
  send_event(AKM_WATCH_IO_URING, AKM_OP_RING_SETUP, AKM_OUTCOME_SUCCEEDED, AKM_TIER_TRACEPOINT,
             (__u32)call->args[4]);
  return 0;
}

/* A request that takes on another's credentials. */
static __always_inline int judge_credentials(unsigned long long* context, __u8 tier) {
  int result = (int)context[1];
  return result || is_ours() ? result : judge(tier, AKM_WATCH_IO_URING, AKM_OP_CREDENTIALS, 0, 0, 0);
}

AKM_GUARD(credentials, "uring_override_creds", judge_credentials)

#endif
