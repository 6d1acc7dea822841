/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D31: capabilities that reach what we guard, gained by a process that had them not. */
#ifndef AKM_CAPABILITIES_BPF_H
#define AKM_CAPABILITIES_BPF_H

enum { CAP_NET_ADMIN = 12, CAP_SYS_MODULE = 16, CAP_SYS_PTRACE = 19, CAP_SYS_ADMIN = 21, CAP_BPF = 39 };
#define WATCHED_CAPABILITIES                                                                         \
  (1ull << CAP_NET_ADMIN | 1ull << CAP_SYS_MODULE | 1ull << CAP_SYS_PTRACE | 1ull << CAP_SYS_ADMIN | \
   1ull << CAP_BPF)

static __always_inline __u64 watched_capabilities(const struct cred* cred) {
  __u64 effective = 0;
  bpf_probe_read_kernel(&effective, sizeof(effective),
                        (const char*)cred + bpf_core_field_offset(struct cred, cap_effective));
  return effective & WATCHED_CAPABILITIES;
}

struct akm_capability_sets {
  __u32 effective;
  __u32 permitted;
  __u32 inheritable;
};

/* A process raises what it has permitted: sudo's and systemd's helpers do it too. */
SEC("tracepoint")
int enter_capset(struct akm_sys_enter* call) {
  struct akm_capability_sets sets[2] = {};
  if (bpf_probe_read_user(sets, sizeof(sets), (const void*)call->args[1])) return 0;
  __u64 wanted = ((__u64)sets[1].effective << 32 | sets[0].effective) & WATCHED_CAPABILITIES;
  __u64 gained = wanted & ~watched_capabilities(BPF_CORE_READ(current_task(), cred));
  if (caller() == CALLER_SELF_TEST) gained = wanted | 1;
  if (gained) hold_call(AKM_WATCH_PRIVILEGE, AKM_OP_CAPABILITY, gained, 0);
  return 0;
}

/* Every way, an exploit in the kernel too: new credentials are committed here. */
SEC("fentry/commit_creds")
int commit_credentials(unsigned long long* context) {
  const struct cred* fresh = (const struct cred*)context[0];
  __u64 gained = watched_capabilities(fresh) & ~watched_capabilities(BPF_CORE_READ(current_task(), cred));
  if (!gained || is_ours()) return 0;
  send_event(AKM_WATCH_PRIVILEGE, AKM_OP_CAPABILITY, AKM_OUTCOME_SUCCEEDED, AKM_TIER_FENTRY, gained);
  return 0;
}

#endif
