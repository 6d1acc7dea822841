/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D8: signals that end or stop us. */
#ifndef AKM_SIGNALS_BPF_H
#define AKM_SIGNALS_BPF_H

enum {
  SIGQUIT = 3,
  SIGILL,
  SIGTRAP,
  SIGABRT,
  SIGBUS,
  SIGFPE,
  SIGKILL,
  SIGSEGV = 11,
  SIGTERM = 15,
  SIGCONT = 18,
  SIGSTOP
};
#define GRAVE_SIGNALS                                                                           \
  (1u << SIGQUIT | 1u << SIGILL | 1u << SIGTRAP | 1u << SIGABRT | 1u << SIGBUS | 1u << SIGFPE | \
   1u << SIGKILL | 1u << SIGSEGV | 1u << SIGTERM | 1u << SIGSTOP)
#define SENT_BY_KERNEL 1 /* SEND_SIG_PRIV: the OOM killer, a fault */

static __always_inline int is_grave(int signal) {
  if (signal <= 0 || signal > SIGSTOP) return 0;
  if (GRAVE_SIGNALS & (1u << signal)) return 1;
  return signal == SIGCONT && caller() == CALLER_SELF_TEST;
}

/* By the process that gets it, so process groups, pidfds and threads make no difference. */
SEC("raw_tracepoint")
int generate_signal(struct bpf_raw_tracepoint_args* call) {
  int signal = (int)call->args[0];
  struct task_struct* target = (struct task_struct*)call->args[2];
  if (signal > SIGSTOP || call->args[1] == SENT_BY_KERNEL) return 0;
  if (!is_our_struct_pid(BPF_CORE_READ(target, thread_pid))) return 0;
  if (!is_grave(signal) || is_init() || is_ours()) return 0;
  send_event(AKM_WATCH_SIGNAL, AKM_OP_SIGNAL, AKM_OUTCOME_SUCCEEDED, AKM_TIER_TRACEPOINT, (__u32)signal);
  return 0;
}

static __always_inline int judge_signal(unsigned long long* context, __u8 tier) {
  struct task_struct* target = (struct task_struct*)context[0];
  int signal = (int)context[2];
  int result = (int)context[4];
  if (result || context[1] == SENT_BY_KERNEL) return result;
  if (!is_our_struct_pid(BPF_CORE_READ(target, thread_pid))) return 0;
  if (!is_grave(signal) || is_init() || is_ours()) return 0;
  return judge(tier, AKM_WATCH_SIGNAL, AKM_OP_SIGNAL, (__u32)signal, 0, 0);
}

AKM_GUARD(signal, "task_kill", judge_signal)

#endif
