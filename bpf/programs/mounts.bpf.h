/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D11, D7: mounts that hide our folders or pins, by the object. */
#ifndef AKM_MOUNTS_BPF_H
#define AKM_MOUNTS_BPF_H

/* On a watched folder, below it, or on one above it: then ours are out of sight. */
static __always_inline int judge_mount(struct path* path, int result, __u8 tier) {
  struct dentry* dentry = BPF_CORE_READ(path, dentry);
  struct akm_control* own = get_control();
  if (result || !own || is_ours()) return result;
  if (!is_where_we_see(own)) return 0;
  __u8 watch = watch_of_folder(BPF_CORE_READ(dentry, d_inode));
  watch = watch & AKM_MOUNTS_ONLY ? AKM_WATCH_MOUNT : watch_of_dentry(dentry);
  if (!watch || watch == AKM_WATCH_SERVICE) return 0;
  return judge_early(tier, watch, AKM_OP_MOUNT, 0, 0, BPF_CORE_READ(dentry, d_name.name));
}

static __always_inline int judge_new_mount(unsigned long long* context, __u8 tier) {
  return judge_mount((struct path*)context[1], (int)context[5], tier);
}

static __always_inline int judge_moved_mount(unsigned long long* context, __u8 tier) {
  return judge_mount((struct path*)context[1], (int)context[2], tier);
}

AKM_GUARD(mount, "sb_mount", judge_new_mount)
AKM_GUARD(move_mount, "move_mount", judge_moved_mount)

#endif
