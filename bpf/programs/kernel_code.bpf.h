/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D5 and D15: code that becomes part of the kernel. */
#ifndef AKM_KERNEL_CODE_BPF_H
#define AKM_KERNEL_CODE_BPF_H

SEC("tracepoint")
int enter_module(struct akm_sys_enter* call) {
  hold_call(AKM_WATCH_MODULE, AKM_OP_MODULE, 0, 0);
  return 0;
}

SEC("tracepoint")
int enter_kexec(struct akm_sys_enter* call) {
  hold_call(AKM_WATCH_KEXEC, AKM_OP_KEXEC, 0, 0);
  return 0;
}

/* The kernel's own word for it, with the name: also for a module that a kernel thread loads. */
SEC("raw_tracepoint")
int load_module(struct bpf_raw_tracepoint_args* call) {
  struct module* module = (struct module*)call->args[0];
  if (is_ours()) return 0;
  send_named(AKM_WATCH_MODULE, AKM_OP_MODULE, AKM_OUTCOME_SUCCEEDED, AKM_TIER_TRACEPOINT, 0,
             (const char*)module + bpf_core_field_offset(struct module, name));
  return 0;
}

static __always_inline int judge_code(int is_module, int is_kexec, int result, struct file* file, __u8 tier) {
  const void* name = file ? (const void*)BPF_CORE_READ(file, f_path.dentry, d_name.name) : 0;
  if (result || is_ours()) return result;
  if (is_module) return judge(tier, AKM_WATCH_MODULE, AKM_OP_MODULE, 0, 0, name);
  if (is_kexec) return judge(tier, AKM_WATCH_KEXEC, AKM_OP_KEXEC, 0, 0, name);
  return 0;
}

/* The numbers of these enums have moved over the versions. */
static __always_inline int judge_read_file(unsigned long long* context, __u8 tier) {
  long id = (int)context[1];
  return judge_code(id == (long)bpf_core_enum_value(enum kernel_read_file_id, READING_MODULE),
                    id == (long)bpf_core_enum_value(enum kernel_read_file_id, READING_KEXEC_IMAGE),
                    (int)context[3], (struct file*)context[0], tier);
}

static __always_inline int judge_load_data(unsigned long long* context, __u8 tier) {
  long id = (int)context[0];
  return judge_code(id == (long)bpf_core_enum_value(enum kernel_load_data_id, LOADING_MODULE),
                    id == (long)bpf_core_enum_value(enum kernel_load_data_id, LOADING_KEXEC_IMAGE),
                    (int)context[2], 0, tier);
}

AKM_GUARD(read_file, "kernel_read_file", judge_read_file)
AKM_GUARD(load_data, "kernel_load_data", judge_load_data)

#endif
