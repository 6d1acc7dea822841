/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D29: the clock is set, not slewed. */
#ifndef AKM_CLOCK_BPF_H
#define AKM_CLOCK_BPF_H

#define SETTABLE_CLOCK 0
#define ADJ_SETOFFSET 0x0100

SEC("tracepoint")
int enter_clock_settime(struct akm_sys_enter* call) {
  if (call->args[0] == SETTABLE_CLOCK) hold_call(AKM_WATCH_CLOCK, AKM_OP_SET_CLOCK, 0, 0);
  return 0;
}

SEC("tracepoint")
int enter_settimeofday(struct akm_sys_enter* call) {
  if (call->args[0]) hold_call(AKM_WATCH_CLOCK, AKM_OP_SET_CLOCK, 0, 0);
  return 0;
}

static __always_inline void judge_adjustment(unsigned long address) {
  __u32 modes = 0;
  if (bpf_probe_read_user(&modes, sizeof(modes), (const void*)address)) return;
  if (modes & ADJ_SETOFFSET) hold_call(AKM_WATCH_CLOCK, AKM_OP_SET_CLOCK, 0, 0);
}

SEC("tracepoint")
int enter_adjtimex(struct akm_sys_enter* call) {
  judge_adjustment(call->args[0]);
  return 0;
}

SEC("tracepoint")
int enter_clock_adjtime(struct akm_sys_enter* call) {
  if (call->args[0] == SETTABLE_CLOCK) judge_adjustment(call->args[1]);
  return 0;
}

static __always_inline int judge_clock(unsigned long long* context, __u8 tier) {
  int result = (int)context[2];
  if (result || !context[0] || is_ours()) return result;
  return judge(tier, AKM_WATCH_CLOCK, AKM_OP_SET_CLOCK, 0, 0, 0);
}

AKM_LSM(clock, "settime", judge_clock)
AKM_FEXIT(clock, "security_settime64", judge_clock)

#endif
