/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D32: our own heartbeat. Its call registers our threads, and its record says that the way to user space is
 * open. */
#ifndef AKM_HEARTBEAT_BPF_H
#define AKM_HEARTBEAT_BPF_H

#define MAX_THREADS 32
#define MAX_PID_LEVELS 4

static __always_inline void register_thread(struct task_struct* task, __u64 beat) {
  struct pid* pid = BPF_CORE_READ(task, thread_pid);
  unsigned int level = BPF_CORE_READ(pid, level);
  for (unsigned int i = 0; i < MAX_PID_LEVELS; ++i) {
    struct akm_pid_key key;
    if (i > level) break;
    read_upid(pid, i, &key);
    if (bpf_map_update_elem(&our_pids, &key, &beat, BPF_ANY)) count(AKM_WATCH_SELF, AKM_COUNT_PIDS_FULL);
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
  if (node != head) count(AKM_WATCH_SELF, AKM_COUNT_PIDS_FULL);
}

static __always_inline void answer_self_probe(__u64 beat) {
  if (!is_ours()) return;
  register_our_threads(beat);
  send_event(AKM_WATCH_SELF, AKM_OP_SELF_PROBE, AKM_OUTCOME_SUCCEEDED, AKM_TIER_TRACEPOINT, beat);
}

#endif
