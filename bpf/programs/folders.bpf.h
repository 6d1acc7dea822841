/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D10, and for D7, D11, D18 and D19: calls that name a path in a watched folder. */
#ifndef AKM_FOLDERS_BPF_H
#define AKM_FOLDERS_BPF_H

/* Compares room->key, which holds `length` bytes with the NUL; holds or sends a record when it lies in a
 * folder. */
static __always_inline int compare_path(struct akm_scratch* room, long length) {
  if (length <= 1 || room->key.path[0] != '/') return 0; /* relative: the object tiers see it */
  room->key.bits = (__u32)length * 8;
  __u8* watch = bpf_map_lookup_elem(&watched_prefixes, &room->key);
  return watch ? *watch : 0;
}

#define UNREAD (-1)

/* A page that is not in memory yet cannot be read here. */
static __always_inline int compare_user_path(struct akm_scratch* room, unsigned long address) {
  long length = bpf_probe_read_user_str(room->key.path, sizeof(room->key.path), (const void*)address);
  if (length < 0) return address ? UNREAD : 0;
  return compare_path(room, length);
}

/* By the kernel's copy of the arguments: the verifier forbids a computed offset into the context. */
static __always_inline unsigned long argument(struct akm_sys_enter* call, __u32 index) {
  unsigned long value = 0;
  bpf_probe_read_kernel(
      &value, sizeof(value),
      (const char*)call + __builtin_offsetof(struct akm_sys_enter, args) + index * sizeof(value));
  return value;
}

/* Of what the prefixes hold for io_uring's sake, calls that name a path change nothing. */
#define PATH_WATCHES                                                                                        \
  (1u << AKM_WATCH_STATE | 1u << AKM_WATCH_CONFIG | 1u << AKM_WATCH_SENSOR | 1u << AKM_WATCH_FOREIGN_CODE | \
   1u << AKM_WATCH_SERVICE)

/* The watch, or 0. A mount above our folders hides them where we, or the operators, see them. */
static __always_inline int of_path_call(int found, __u8 operation) {
  int watch = found & AKM_WATCH_MASK;
  int mounts = operation == AKM_OP_MOUNT || operation == AKM_OP_UNMOUNT;
  struct akm_control* own = get_control();
  if (found & AKM_MOUNTS_ONLY) {
    if (!mounts || !own) return 0;
    return is_where_we_see(own) ? watch : 0;
  }
  return PATH_WATCHES & (1u << (watch & 31)) ? watch : 0;
}

SEC("tracepoint")
int enter_path(struct akm_sys_enter* call) {
  __u64 cookie = bpf_get_attach_cookie(call);
  struct akm_scratch* room = get_scratch();
  if (!room) return 0;
  unsigned long address = argument(call, (cookie >> 8) & 3);
  int watch = compare_user_path(room, address);
  if (!watch && ((cookie >> 16) & 0xff) != AKM_NO_ARGUMENT) {
    address = argument(call, (cookie >> 16) & 3);
    watch = compare_user_path(room, address);
  }
  if (watch != UNREAD) watch = of_path_call(watch, (__u8)cookie);
  if (!watch || is_ours()) return 0;
  begin_held(&room->held, watch == UNREAD ? 0 : (__u8)watch, (__u8)cookie);
  if (watch == UNREAD) {
    room->held.argument = address;
  } else {
    hold_path(&room->held, room->key.path);
  }
  hold(&room->held);
  return 0;
}

/* What could not be read at the begin is in memory now: the kernel has read it. */
static __always_inline int read_late(struct akm_held* held) {
  struct akm_scratch* room = get_scratch();
  int found = room ? compare_user_path(room, held->argument) : 0;
  if (found == UNREAD) {
    count(AKM_WATCH_STATE, AKM_COUNT_NO_PATH);
    return 0;
  }
  int watch = of_path_call(found, held->operation);
  if (!watch) return 0;
  held->watch = (__u8)watch;
  held->argument = 0;
  hold_path(held, room->key.path);
  return 1;
}

SEC("tracepoint")
int exit_path(struct akm_sys_exit* call) {
  __u64 id = bpf_get_current_pid_tgid();
  struct akm_held* held = bpf_map_lookup_elem(&pending, &id);
  if (!held) return 0;
  if (!held->watch && !read_late(held)) {
    bpf_map_delete_elem(&pending, &id);
    return 0;
  }
  release(call->result);
  return 0;
}

/* ---- LSM: the same by the object. The kernel has looked names up already. ---- */

static __always_inline __u8 watch_of_folder(struct inode* folder) {
  struct akm_folder_key key = {.inode = BPF_CORE_READ(folder, i_ino),
                               .device = BPF_CORE_READ(folder, i_sb, s_dev)};
  __u8* watch = bpf_map_lookup_elem(&watched_folders, &key);
  return watch ? *watch : 0;
}

/* The watch of the nearest folder above this name, or of itself. */
static __always_inline __u8 watch_of_dentry(struct dentry* dentry) {
  for (int i = 0; i <= AKM_MAX_DEPTH; ++i) {
    __u8 watch = watch_of_folder(BPF_CORE_READ(dentry, d_inode));
    if (watch && !(watch & AKM_MOUNTS_ONLY)) return watch & AKM_WATCH_MASK;
    struct dentry* parent = BPF_CORE_READ(dentry, d_parent);
    if (parent == dentry) return 0;
    dentry = parent;
  }
  return 0;
}

static __always_inline int starts_akm(const char* name) {
  return name[0] == 'a' && name[1] == 'k' && name[2] == 'm';
}

/* In the folders of the service manager, polkit and D-Bus only what bears our name concerns us: akmd.service,
 * akmd.service.d/x.conf, org.akm.conf. */
static __always_inline int bears_our_name(struct dentry* dentry) {
  for (int i = 0; i < 2; ++i) {
    char name[8] = {};
    bpf_probe_read_kernel_str(name, sizeof(name), (const void*)BPF_CORE_READ(dentry, d_name.name));
    if (starts_akm(name)) return 1;
    if (name[0] == 'o' && name[1] == 'r' && name[2] == 'g' && name[3] == '.' && starts_akm(name + 4))
      return 1;
    dentry = BPF_CORE_READ(dentry, d_parent);
  }
  return 0;
}

static __always_inline __u8 foreign_watch_of(struct dentry* dentry) {
  __u8 watch = watch_of_dentry(dentry);
  return !watch || (watch == AKM_WATCH_SERVICE && !bears_our_name(dentry)) || is_ours() ? 0 : watch;
}

static __always_inline int judge_dentry(struct dentry* dentry, __u8 operation, int result, __u8 tier) {
  __u8 watch = result ? 0 : foreign_watch_of(dentry);
  if (!watch) return result;
  return judge(tier, watch, operation, 0, 0, BPF_CORE_READ(dentry, d_name.name));
}

#define GUARD_DENTRY(name, hook, operation, which, returned)                                      \
  static __always_inline int judge_##name(unsigned long long* context, __u8 tier) {               \
    return judge_dentry((struct dentry*)context[which], operation, (int)context[returned], tier); \
  }                                                                                               \
  AKM_GUARD(name, hook, judge_##name)

GUARD_DENTRY(unlink, "inode_unlink", AKM_OP_UNLINK, 1, 2)
GUARD_DENTRY(rmdir, "inode_rmdir", AKM_OP_UNLINK, 1, 2)
GUARD_DENTRY(create, "inode_create", AKM_OP_CREATE, 1, 3)
GUARD_DENTRY(mkdir, "inode_mkdir", AKM_OP_MKDIR, 1, 3)
GUARD_DENTRY(symlink, "inode_symlink", AKM_OP_SYMLINK, 1, 3)
GUARD_DENTRY(setxattr, "inode_setxattr", AKM_OP_XATTR, 1, 6)
GUARD_DENTRY(removexattr, "inode_removexattr", AKM_OP_XATTR, 1, 3)

static __always_inline int judge_link(unsigned long long* context, __u8 tier) {
  int result = judge_dentry((struct dentry*)context[0], AKM_OP_LINK, (int)context[3], tier);
  return result ? result : judge_dentry((struct dentry*)context[2], AKM_OP_LINK, 0, tier);
}

AKM_GUARD(link, "inode_link", judge_link)

/* The function has the flags between names and answer. */
static __always_inline int judge_rename(unsigned long long* context, int result, __u8 tier) {
  result = judge_dentry((struct dentry*)context[1], AKM_OP_RENAME, result, tier);
  return result ? result : judge_dentry((struct dentry*)context[3], AKM_OP_RENAME, 0, tier);
}

SEC("lsm/inode_rename")
int guard_rename(unsigned long long* context) {
  return judge_rename(context, (int)context[4], AKM_TIER_LSM);
}

SEC("fexit/security_inode_rename")
int watch_rename(unsigned long long* context) {
  (void)judge_rename(context, (int)context[5], AKM_TIER_FENTRY);
  return 0;
}

enum { ATTR_MODE = 1, ATTR_UID = 2, ATTR_GID = 4, ATTR_SIZE = 8 };

static __always_inline __u8 operation_of(const struct iattr* changed) {
  unsigned int valid = BPF_CORE_READ(changed, ia_valid);
  if (valid & ATTR_SIZE) return AKM_OP_TRUNCATE;
  if (valid & (ATTR_UID | ATTR_GID)) return AKM_OP_CHOWN;
  return valid & ATTR_MODE ? AKM_OP_CHMOD : AKM_OP_ATTRIBUTES;
}

/* Linux 6.9 put an argument before the others, and brought the hook that is asked for here. */
SEC("lsm/inode_setattr")
int guard_setattr(unsigned long long* context) {
  struct dentry* dentry = (struct dentry*)context[0];
  struct iattr* changed = (struct iattr*)context[1];
  if (bpf_core_field_exists(((union security_list_options*)0)->inode_post_setattr)) {
    dentry = (struct dentry*)context[1];
    changed = (struct iattr*)context[2];
  }
  __u8 watch = foreign_watch_of(dentry);
  if (!watch) return 0;
  return judge_early(AKM_TIER_LSM, watch, operation_of(changed), 0, 0, BPF_CORE_READ(dentry, d_name.name));
}

/* Not the function that asks: its arguments changed more often. */
SEC("fexit/notify_change")
int watch_setattr(unsigned long long* context) {
  (void)judge_dentry((struct dentry*)context[1], operation_of((struct iattr*)context[2]), (int)context[4],
                     AKM_TIER_FENTRY);
  return 0;
}

/* chattr: by the descriptor, which another thread can give another file meanwhile (the security module's
 * program has the file). */
#define IOC_SETFLAGS 0x40086602
#define IOC_SETFLAGS_32 0x40046602
#define IOC_SETXATTR 0x401c5820

static __always_inline int sets_attributes(__u32 command) {
  return command == IOC_SETFLAGS || command == IOC_SETFLAGS_32 || command == IOC_SETXATTR;
}

SEC("tracepoint")
int enter_ioctl(struct akm_sys_enter* call) {
  if (!sets_attributes((__u32)call->args[1])) return 0;
  struct file* file = file_of((int)call->args[0]);
  __u8 watch = file ? watch_of_dentry(BPF_CORE_READ(file, f_path.dentry)) : 0;
  if (watch) hold_call(watch, AKM_OP_ATTRIBUTES, 0, 0);
  return 0;
}

static __always_inline int judge_ioctl(unsigned long long* context, __u8 tier) {
  struct file* file = (struct file*)context[0];
  if (!sets_attributes((__u32)context[1])) return (int)context[3];
  return judge_dentry(BPF_CORE_READ(file, f_path.dentry), AKM_OP_ATTRIBUTES, (int)context[3], tier);
}

AKM_GUARD(ioctl, "file_ioctl", judge_ioctl)

#endif
