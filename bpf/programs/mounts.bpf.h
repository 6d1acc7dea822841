/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D11, D7: mounts that hide our folders or pins, by the object. */
#ifndef AKM_MOUNTS_BPF_H
#define AKM_MOUNTS_BPF_H

/* On a watched folder, below it, or on one above it: then ours are out of sight. */
static __always_inline int judge_mount(struct dentry* dentry, __u8 operation, int result) {
  struct akm_control* own = get_control();
  if (result || !own || is_ours()) return result;
  if (BPF_CORE_READ(current_task(), nsproxy, mnt_ns, ns.inum) != own->mount_ns) return 0;
  __u8 watch = watch_of_folder(BPF_CORE_READ(dentry, d_inode));
  watch = watch & AKM_MOUNTS_ONLY ? AKM_WATCH_MOUNT : watch_of_dentry(dentry);
  if (!watch || watch == AKM_WATCH_SERVICE) return 0;
  return judge(watch, operation, 0, 0, BPF_CORE_READ(dentry, d_name.name));
}

SEC("lsm/sb_mount")
int guard_mount(unsigned long long* context) {
  struct path* path = (struct path*)context[1];
  return judge_mount(BPF_CORE_READ(path, dentry), AKM_OP_MOUNT, (int)context[5]);
}

SEC("lsm/move_mount")
int guard_move_mount(unsigned long long* context) {
  struct path* path = (struct path*)context[1];
  return judge_mount(BPF_CORE_READ(path, dentry), AKM_OP_MOUNT, (int)context[2]);
}

#endif
