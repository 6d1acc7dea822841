/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D2: attaching to our process, its memory, its descriptors. */
#ifndef AKM_PROCESS_BPF_H
#define AKM_PROCESS_BPF_H

#define PTRACE_TRACEME 0
#define PTRACE_MODE_ATTACH 2

SEC("tracepoint")
int enter_ptrace(struct akm_sys_enter* call) {
  if (call->args[0] == PTRACE_TRACEME || !is_our_pid((__u32)call->args[1])) return 0;
  hold_call(AKM_WATCH_PROCESS, AKM_OP_PTRACE, call->args[0], (__u32)call->args[1]);
  return 0;
}

SEC("tracepoint")
int enter_vm_read(struct akm_sys_enter* call) {
  if (is_our_pid((__u32)call->args[0])) hold_call(AKM_WATCH_PROCESS, AKM_OP_VM_READ, 0, (__u32)call->args[0]);
  return 0;
}

SEC("tracepoint")
int enter_vm_write(struct akm_sys_enter* call) {
  if (is_our_pid((__u32)call->args[0]))
    hold_call(AKM_WATCH_PROCESS, AKM_OP_VM_WRITE, 0, (__u32)call->args[0]);
  return 0;
}

/* The process behind a pidfd: in the inode since 6.9, in the file before. A pointer of another kind of file
 * reads as some number that is not ours. */
SEC("tracepoint")
int enter_pidfd_getfd(struct akm_sys_enter* call) {
  struct file* file = file_of((int)call->args[0]);
  if (!file) return 0;
  struct inode* inode = BPF_CORE_READ(file, f_inode);
  struct pid* pid = BPF_CORE_READ(inode, i_sb, s_magic) == PID_FS_MAGIC
                        ? (struct pid*)BPF_CORE_READ(inode, i_private)
                        : (struct pid*)BPF_CORE_READ(file, private_data);
  if (is_our_struct_pid(pid)) hold_call(AKM_WATCH_PROCESS, AKM_OP_PIDFD_GETFD, (__u32)call->args[1], 0);
  return 0;
}

SEC("tracepoint")
int exit_call(struct akm_sys_exit* call) {
  release(call->result);
  return 0;
}

/* Reading /proc/PID/status and the like asks for PTRACE_MODE_READ: ps and top, noise. */
static __always_inline int judge_process(unsigned long long* context, __u8 tier) {
  struct task_struct* child = (struct task_struct*)context[0];
  __u32 mode = (__u32)context[1];
  int result = (int)context[2];
  if (result || !(mode & PTRACE_MODE_ATTACH)) return result;
  if (!is_our_struct_pid(BPF_CORE_READ(child, thread_pid)) || is_ours()) return result;
  return judge(tier, AKM_WATCH_PROCESS, AKM_OP_PTRACE_ACCESS, mode, 0, 0);
}

AKM_GUARD(process, "ptrace_access_check", judge_process)

/* When we end, nothing is denied any more: who takes our place could not begin. What happens is still told.
 */
SEC("raw_tracepoint")
int daemon_ends(struct bpf_raw_tracepoint_args* call) {
  __u64 id = bpf_get_current_pid_tgid();
  struct akm_control* own = get_control();
  if ((__u32)id != (__u32)(id >> 32) || !own || !is_ours()) return 0;
  __builtin_memset(own->deny, 0, sizeof(own->deny));
  return 0;
}

#endif
