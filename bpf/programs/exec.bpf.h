/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D16, D17 and the capabilities of D31 that a program brings. */
#ifndef AKM_EXEC_BPF_H
#define AKM_EXEC_BPF_H

/* Its inode is a tool's that the loader found, whatever it is called now; or it has its name. */
static __always_inline int is_tool(struct file* file) {
  struct akm_folder_key key = {.inode = BPF_CORE_READ(file, f_inode, i_ino),
                               .device = BPF_CORE_READ(file, f_inode, i_sb, s_dev)};
  return bpf_map_lookup_elem(&watched_tools, &key) != 0;
}

/* No link in any folder: memfd, or a file that was removed. */
static __always_inline __u8 watch_of_program(struct file* file) {
  if (BPF_CORE_READ(file, f_inode, i_nlink) == 0) return AKM_WATCH_FILELESS;
  return is_tool(file) ? AKM_WATCH_DEBUGGER : 0;
}

SEC("raw_tracepoint")
int exec_program(struct bpf_raw_tracepoint_args* call) {
  struct task_struct* task = (struct task_struct*)call->args[0];
  struct linux_binprm* start = (struct linux_binprm*)call->args[2];
  struct file* file = BPF_CORE_READ(start, file);
  const void* name = (const void*)BPF_CORE_READ(file, f_path.dentry, d_name.name);
  __u8 watch = watch_of_program(file);
  if (watch) send_named(watch, AKM_OP_EXEC, AKM_OUTCOME_SUCCEEDED, AKM_TIER_TRACEPOINT, 0, name);
  __u64 gained = watched_capabilities(BPF_CORE_READ(task, cred));
  if (gained && BPF_CORE_READ(task, cred, uid.val) != 0)
    send_named(AKM_WATCH_PRIVILEGE, AKM_OP_CAPABILITY, AKM_OUTCOME_SUCCEEDED, AKM_TIER_TRACEPOINT, gained,
               name);
  return 0;
}

#define HASH_ALGO_SHA256 4

/* The same before it starts, with the digest that IMA keeps. This one may sleep. */
SEC("lsm.s/bprm_check_security")
int guard_exec(unsigned long long* context) {
  struct linux_binprm* start = (struct linux_binprm*)context[0];
  int result = (int)context[1];
  __u8 digest[AKM_DIGEST_BYTES] = {};
  if (result) return result;
  struct file* file = start->file; /* by the verifier's own reading: the helper takes no other */
  __u8 watch = watch_of_program(file);
  if (!watch || is_ours()) return 0;
  int denied = denies(watch);
  long algorithm = bpf_ima_file_hash(file, digest, sizeof(digest));
  struct akm_event* event =
      open_event(watch, AKM_OP_EXEC, denied ? AKM_OUTCOME_REFUSED : AKM_OUTCOME_SUCCEEDED, AKM_TIER_LSM);
  if (event) {
    event->result = denied ? -EPERM : 0;
    set_path(event, (const char*)BPF_CORE_READ(file, f_path.dentry, d_name.name));
    if (algorithm == HASH_ALGO_SHA256) {
      event->digest_bytes = AKM_DIGEST_BYTES;
      __builtin_memcpy(event->digest, digest, sizeof(digest));
    }
    close_event(event);
  }
  return verdict(denied);
}

/* The same beside the function that asks, without a digest. */
SEC("fexit/security_bprm_check")
int watch_exec(unsigned long long* context) {
  struct file* file = BPF_CORE_READ((struct linux_binprm*)context[0], file);
  __u8 watch = watch_of_program(file);
  if ((int)context[1] || !watch || is_ours()) return 0;
  (void)judge(AKM_TIER_FENTRY, watch, AKM_OP_EXEC, 0, 0,
              (const void*)BPF_CORE_READ(file, f_path.dentry, d_name.name));
  return 0;
}

/* D18: code that is mapped into us and that somebody else than root could have written. */
static __always_inline int is_foreign_code(struct file* file) {
  if (!file) return 1;
  struct inode* inode = BPF_CORE_READ(file, f_inode);
  return BPF_CORE_READ(inode, i_uid.val) != 0 || (BPF_CORE_READ(inode, i_mode) & 0022) != 0 ||
         BPF_CORE_READ(inode, i_nlink) == 0;
}

#define PROT_EXEC 4

static __always_inline int judge_code_of(struct file* file, __u64 protection, int result, __u8 tier) {
  if (result || !(protection & PROT_EXEC) || !is_ours() || !is_foreign_code(file)) return result;
  return judge(tier, AKM_WATCH_FOREIGN_CODE, AKM_OP_MAP_CODE, protection, 0,
               file ? (const void*)BPF_CORE_READ(file, f_path.dentry, d_name.name) : 0);
}

/* What is asked for, and what the kernel makes of it; the function has only the former. */
SEC("lsm/mmap_file")
int guard_mmap(unsigned long long* context) {
  return judge_code_of((struct file*)context[0], context[2], (int)context[4], AKM_TIER_LSM);
}

SEC("fexit/security_mmap_file")
int watch_mmap(unsigned long long* context) {
  (void)judge_code_of((struct file*)context[0], context[1], (int)context[3], AKM_TIER_FENTRY);
  return 0;
}

static __always_inline int judge_mprotect(unsigned long long* context, __u8 tier) {
  struct vm_area_struct* area = (struct vm_area_struct*)context[0];
  if (!(context[2] & PROT_EXEC)) return (int)context[3];
  return judge_code_of(BPF_CORE_READ(area, vm_file), context[2], (int)context[3], tier);
}

AKM_GUARD(mprotect, "file_mprotect", judge_mprotect)

#endif
