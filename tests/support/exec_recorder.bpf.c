/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* At each execve that has succeeded, on the whole machine: the arguments and the environment, out of the new
 * image's memory. A process that lives for a microsecond is there like any other. */
// clang-format off
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
// clang-format on

#include "tests/support/exec_recorder.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct mm_struct {
  unsigned long arg_start, arg_end, env_start, env_end;
};
struct task_struct {
  int tgid;
  struct mm_struct* mm;
};
#pragma clang attribute pop

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 128 * 1024 * 1024); /* what a whole build starts while the reader waits for the disk */
} pieces SEC(".maps");

/* Pieces that found no room, could not be read, or were too many. */
__u64 lost = 0;

static __always_inline void record(int tgid, unsigned int environment, unsigned long start,
                                   unsigned long end) {
  for (unsigned int i = 0; i < AKM_EXEC_PIECES; ++i) {
    const unsigned long at = start + (unsigned long)i * AKM_EXEC_STEP;
    if (at >= end) return;
    struct akm_exec_piece* piece = bpf_ringbuf_reserve(&pieces, sizeof(*piece), 0);
    if (!piece) break;
    unsigned long size = end - at;
    if (size > AKM_EXEC_PIECE) size = AKM_EXEC_PIECE;
    piece->tgid = (unsigned int)tgid;
    piece->environment = environment;
    piece->first = i == 0;
    piece->size = (unsigned int)size;
    if (bpf_probe_read_user(piece->bytes, (__u32)size, (const void*)at) != 0) {
      bpf_ringbuf_discard(piece, 0);
      break;
    }
    bpf_ringbuf_submit(piece, 0);
    if (size < AKM_EXEC_PIECE || at + AKM_EXEC_PIECE == end) return;
  }
  __sync_fetch_and_add(&lost, 1);
}

SEC("tp_btf/sched_process_exec")
int record_exec(__u64* context) {
  const struct task_struct* task = (const struct task_struct*)context[0];
  const struct mm_struct* mm = BPF_CORE_READ(task, mm);
  const int tgid = BPF_CORE_READ(task, tgid);
  record(tgid, 0, BPF_CORE_READ(mm, arg_start), BPF_CORE_READ(mm, arg_end));
  record(tgid, 1, BPF_CORE_READ(mm, env_start), BPF_CORE_READ(mm, env_end));
  return 0;
}
