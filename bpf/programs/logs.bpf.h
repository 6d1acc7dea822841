/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D30: the kernel's log cleared, or kept from the console. Audit rules: sockets.bpf.h. */
#ifndef AKM_LOGS_BPF_H
#define AKM_LOGS_BPF_H

enum { LOG_READ_CLEAR = 4, LOG_CLEAR = 5, LOG_CONSOLE_OFF = 6 };

static __always_inline int impairs_log(__u32 action) {
  return (action >= LOG_READ_CLEAR && action <= LOG_CONSOLE_OFF) || caller() == CALLER_SELF_TEST;
}

SEC("tracepoint")
int enter_syslog(struct akm_sys_enter* call) {
  if (impairs_log((__u32)call->args[0])) hold_call(AKM_WATCH_LOG, AKM_OP_LOG, (__u32)call->args[0], 0);
  return 0;
}

static __always_inline int judge_syslog(unsigned long long* context, __u8 tier) {
  __u32 action = (__u32)context[0];
  int result = (int)context[1];
  if (result || !impairs_log(action) || is_ours()) return result;
  return judge(tier, AKM_WATCH_LOG, AKM_OP_LOG, action, 0, 0);
}

AKM_GUARD(syslog, "syslog", judge_syslog)

#endif
