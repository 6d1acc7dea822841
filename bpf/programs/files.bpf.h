/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Opened files, judged by the object: names, descriptors, links and races of strings do not matter. D2 to D4,
 * D9, D10, D12 to D14, D18, D19. */
#ifndef AKM_FILES_BPF_H
#define AKM_FILES_BPF_H

/* A file that is opened, and how. */
struct akm_opened {
  struct inode* inode;
  struct dentry* dentry;
  long fd;
  int writes;
  __u8 tier;
};

/* Denied or not, on the LSM tier; told, on every other. */
static __always_inline int tell_opened(const struct akm_opened* opened, __u8 watch, __u8 operation) {
  struct dentry* dentry = opened->dentry;
  const void* name = (const void*)BPF_CORE_READ(dentry, d_name.name);
  if (is_ours()) return 0;
  if (opened->tier == AKM_TIER_LSM || opened->tier == AKM_TIER_FENTRY)
    return judge(opened->tier, watch, operation, 0, 0, name);
  struct akm_event* event = open_event(watch, operation, AKM_OUTCOME_SUCCEEDED, opened->tier);
  if (!event) return 0;
  event->result = opened->fd;
  set_path(event, name);
  close_event(event);
  return 0;
}

/* A file that procfs, sysctl, securityfs or selinuxfs calls by a name of the map. */
static __always_inline int judge_named(const struct akm_opened* opened, struct akm_name_key* key,
                                       __u32 magic) {
  struct dentry* dentry = opened->dentry;
  struct dentry* parent = BPF_CORE_READ(dentry, d_parent);
  key->folder = 0;
  key->device = magic;
  bpf_probe_read_kernel_str(key->parent, sizeof(key->parent),
                            (const void*)BPF_CORE_READ(parent, d_name.name));
  __u8* watch = bpf_map_lookup_elem(&watched_names, key);
  if (!watch || (!opened->writes && !(*watch & AKM_READS_TOO))) return 0;
  return tell_opened(opened, *watch & AKM_WATCH_MASK, opened->writes ? AKM_OP_OPEN_WRITE : AKM_OP_OPEN);
}

/* D2 and D3: files of a process folder of ours. What ps and top read of everybody is left out. */
static __always_inline int judge_proc_file(const struct akm_opened* opened, struct akm_name_key* key) {
  struct proc_inode* proc =
      (struct proc_inode*)((char*)opened->inode - bpf_core_field_offset(struct proc_inode, vfs_inode));
  if (!is_our_struct_pid(BPF_CORE_READ(proc, pid))) return judge_named(opened, key, PROC_SUPER_MAGIC);
  if (key->name[0] == 'm' && key->name[1] == 'e' && key->name[2] == 'm' && !key->name[3])
    return tell_opened(opened, AKM_WATCH_PROCESS, AKM_OP_OPEN_MEM);
  key->folder = 0;
  key->device = PROC_SUPER_MAGIC;
  __builtin_memcpy(key->parent, "PID", 4);
  if (!bpf_map_lookup_elem(&watched_names, key)) return 0;
  return tell_opened(opened, AKM_WATCH_INSPECTION, AKM_OP_OPEN);
}

static __always_inline int judge_written_file(const struct akm_opened* opened, struct akm_name_key* key,
                                              __u32 device) {
  struct dentry* folder = opened->dentry;
  for (int i = 0; i < AKM_MAX_DEPTH; ++i) {
    struct dentry* parent = BPF_CORE_READ(folder, d_parent);
    if (parent == folder) return 0;
    struct akm_folder_key place = {.inode = BPF_CORE_READ(parent, d_inode, i_ino), .device = device};
    if (i == 0) { /* one file of a folder that is not ours: /etc/ld.so.preload */
      key->folder = place.inode;
      key->device = device;
      __u8* named = bpf_map_lookup_elem(&watched_names, key);
      if (named) return tell_opened(opened, *named & AKM_WATCH_MASK, AKM_OP_OPEN_WRITE);
    }
    __u8* watch = bpf_map_lookup_elem(&watched_folders, &place);
    if (watch && !(*watch & AKM_MOUNTS_ONLY)) {
      if (*watch == AKM_WATCH_SERVICE && !bears_our_name(opened->dentry)) return 0;
      return tell_opened(opened, *watch, AKM_OP_OPEN_WRITE);
    }
    folder = parent;
  }
  return 0;
}

#define SECURITYFS_MAGIC 0x73636673
#define SELINUX_MAGIC 0xf97cff8c

static __always_inline int judge_file(struct file* file, struct akm_name_key* key, long fd, __u8 tier) {
  struct inode* inode = BPF_CORE_READ(file, f_inode);
  struct dentry* dentry = BPF_CORE_READ(file, f_path.dentry);
  int writes = (BPF_CORE_READ(file, f_mode) & FMODE_WRITE) != 0;
  struct akm_opened opened = {.inode = inode, .dentry = dentry, .fd = fd, .writes = writes, .tier = tier};
  if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) == S_IFCHR) {
    __u32 device = BPF_CORE_READ(inode, i_rdev);
    __u8* watch = bpf_map_lookup_elem(&watched_devices, &device);
    return watch ? tell_opened(&opened, *watch, opened.writes ? AKM_OP_OPEN_WRITE : AKM_OP_OPEN) : 0;
  }
  struct super_block* super = BPF_CORE_READ(inode, i_sb);
  __u32 magic = (__u32)BPF_CORE_READ(super, s_magic);
  if (magic != PROC_SUPER_MAGIC && !opened.writes) return 0;
  __builtin_memset(key, 0, sizeof(*key));
  bpf_probe_read_kernel_str(key->name, sizeof(key->name), (const void*)BPF_CORE_READ(dentry, d_name.name));
  if (magic == PROC_SUPER_MAGIC) return judge_proc_file(&opened, key);
  if (magic == SECURITYFS_MAGIC || magic == SELINUX_MAGIC) return judge_named(&opened, key, magic);
  return judge_written_file(&opened, key, BPF_CORE_READ(super, s_dev));
}

SEC("tracepoint")
int exit_open(struct akm_sys_exit* call) {
  struct akm_scratch* room = get_scratch();
  if (call->result < 0 || !room) return 0;
  struct file* file = file_of((int)call->result);
  if (file) judge_file(file, &room->name, call->result, AKM_TIER_TRACEPOINT);
  return 0;
}

static __always_inline int judge_open(unsigned long long* context, __u8 tier) {
  struct akm_name_key key;
  int result = (int)context[1];
  if (result) return result;
  return judge_file((struct file*)context[0], &key, 0, tier);
}

AKM_GUARD(open, "file_open", judge_open)

#endif
