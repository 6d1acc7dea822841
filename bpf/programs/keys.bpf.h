/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D1: the keys of the guarded-keys map, used by others. */
#ifndef AKM_KEYS_BPF_H
#define AKM_KEYS_BPF_H

/* The special numbers that can stand for a keyring of ours, when the caller has it as its own. */
static __always_inline __s32 resolve_serial(__s32 serial) {
  if (serial >= 0) return serial;
  const struct cred* cred = BPF_CORE_READ(current_task(), cred);
  if (serial == KEY_SPEC_SESSION_KEYRING) return BPF_CORE_READ(cred, session_keyring, serial);
  if (serial == KEY_SPEC_PROCESS_KEYRING) return BPF_CORE_READ(cred, process_keyring, serial);
  if (serial == KEY_SPEC_THREAD_KEYRING) return BPF_CORE_READ(cred, thread_keyring, serial);
  return 0;
}

static __always_inline void hold_key_event(__u8 operation, __u64 argument, __s32 serial) {
  struct akm_scratch* room = get_scratch();
  if (!room || is_ours()) return;
  begin_held(&room->held, AKM_WATCH_KEY, operation);
  room->held.argument = argument;
  room->held.serial = serial;
  hold(&room->held);
}

static __always_inline __s32 guarded_of(__s32 serial) {
  serial = resolve_serial(serial);
  return serial > 0 && guarded_kind(serial) ? serial : 0;
}

/* The key numbers that DH_COMPUTE and the PKEY operations pass in memory. */
static __always_inline __s32 guarded_in_memory(unsigned long address, int count) {
  __s32 serials[3] = {};
  if (bpf_probe_read_user(serials, sizeof(serials), (const void*)address)) return 0;
  for (int i = 0; i < 3; ++i) {
    __s32 serial = i < count ? guarded_of(serials[i]) : 0;
    if (serial) return serial;
  }
  return 0;
}

static __always_inline __s32 guarded_argument(const struct akm_sys_enter* call) {
  __s32 serial = 0;
  switch ((__u32)call->args[0]) {
    case KEYCTL_DESCRIBE: /* what `cat /proc/keys` and keyctl show do: noise */
    case KEYCTL_GET_KEYRING_ID:
    case KEYCTL_GET_SECURITY:
    case KEYCTL_JOIN_SESSION_KEYRING:
    case KEYCTL_SET_REQKEY_KEYRING:
    case KEYCTL_SESSION_TO_PARENT:
    case KEYCTL_CAPABILITIES:
      return 0;
    case KEYCTL_DH_COMPUTE:
      return guarded_in_memory(call->args[1], 3);
    case KEYCTL_PKEY_ENCRYPT:
    case KEYCTL_PKEY_DECRYPT:
    case KEYCTL_PKEY_SIGN:
    case KEYCTL_PKEY_VERIFY:
      return guarded_in_memory(call->args[1], 1);
    case KEYCTL_LINK:
    case KEYCTL_UNLINK:
    case KEYCTL_GET_PERSISTENT:
      serial = guarded_of((__s32)call->args[1]);
      return serial ? serial : guarded_of((__s32)call->args[2]);
    case KEYCTL_SEARCH:
    case KEYCTL_INSTANTIATE:
    case KEYCTL_INSTANTIATE_IOV:
      serial = guarded_of((__s32)call->args[1]);
      return serial ? serial : guarded_of((__s32)call->args[4]);
    case KEYCTL_MOVE:
    case KEYCTL_NEGATE:
      serial = guarded_of((__s32)call->args[1]);
      if (!serial) serial = guarded_of((__s32)call->args[2]);
      return serial ? serial : guarded_of((__s32)call->args[3]);
    case KEYCTL_REJECT:
      serial = guarded_of((__s32)call->args[1]);
      return serial ? serial : guarded_of((__s32)call->args[4]);
    case KEYCTL_READ:
      serial = guarded_of((__s32)call->args[1]);
      return guarded_kind(serial) == AKM_GUARDED_KEYRING ? 0 : serial;
    default: /* UPDATE, REVOKE, CHOWN, SETPERM, CLEAR, SET_TIMEOUT, INVALIDATE and what kernels may add
              */
      return guarded_of((__s32)call->args[1]);
  }
}

SEC("tracepoint")
int enter_keyctl(struct akm_sys_enter* call) {
  __u32 command = (__u32)call->args[0];
  if (command == AKM_SELF_PROBE) {
    answer_self_probe(call->args[1]);
    return 0;
  }
  __s32 serial = guarded_argument(call);
  /* With serial 0 the call is held for its result: it may come back with a key of ours. */
  if (serial || command == KEYCTL_SEARCH || command == KEYCTL_JOIN_SESSION_KEYRING) {
    hold_key_event(AKM_OP_KEYCTL, command, serial);
  }
  return 0;
}

SEC("tracepoint")
int enter_add_key(struct akm_sys_enter* call) {
  __s32 serial = guarded_of((__s32)call->args[4]);
  if (serial) hold_key_event(AKM_OP_ADD_KEY, 0, serial);
  return 0;
}

SEC("tracepoint")
int enter_request_key(struct akm_sys_enter* call) {
  hold_key_event(AKM_OP_REQUEST_KEY, 0, guarded_of((__s32)call->args[3]));
  return 0;
}

SEC("tracepoint")
int exit_key(struct akm_sys_exit* call) {
  __u64 id = bpf_get_current_pid_tgid();
  struct akm_held* held = bpf_map_lookup_elem(&pending, &id);
  if (!held) return 0;
  if (!held->serial) {
    __s32 found = call->result > 0 && call->result <= 0x7fffffff ? (__s32)call->result : 0;
    if (!guarded_kind(found)) {
      bpf_map_delete_elem(&pending, &id);
      return 0;
    }
    held->serial = found;
  }
  release(call->result);
  return 0;
}

/* ---- LSM: every use of a key that the kernel asks about, whatever the way (AF_ALG, consumers, 32-bit calls)
 * ---- */

enum { NEED_VIEW = 1, NEED_READ = 2, NEED_PUT_OFF = 10 };

/* The reference is a tagged pointer, which the verifier lets nobody mask: it is read as a number. */
static __always_inline int judge_key(unsigned long long* context, __u8 tier) {
  unsigned long long reference = 0;
  bpf_probe_read_kernel(&reference, sizeof(reference), &context[0]);
  __u32 need = (__u32)context[2];
  int result = (int)context[3];
  __s32 serial = BPF_CORE_READ((struct key*)(reference & ~1ull), serial);
  int kind = guarded_kind(serial);
  if (result || !kind || need <= NEED_VIEW) return result;
  /* KEYCTL_READ asks twice: before the rights are looked at (put off), and after. Of a key both are told, so
   * that an attempt that is refused anyway is seen. */
  if (kind == AKM_GUARDED_KEYRING && (need == NEED_READ || need == NEED_PUT_OFF)) return result;
  if (is_ours()) return result;
  if (need == NEED_PUT_OFF) return judge_early(tier, AKM_WATCH_KEY, AKM_OP_KEY_PERMISSION, need, serial, 0);
  return judge(tier, AKM_WATCH_KEY, AKM_OP_KEY_PERMISSION, need, serial, 0);
}

AKM_GUARD(key, "key_permission", judge_key)

#endif
