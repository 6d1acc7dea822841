/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The few kernel structures that the programs look into. CO-RE: names and nesting count, offsets are those of
 * the kernel that loads the object. For the BPF side only. */
#ifndef AKM_CORE_H
#define AKM_CORE_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
  struct list_head* next;
};

struct ns_common {
  unsigned int inum;
};

struct pid_namespace {
  struct ns_common ns;
};

struct upid {
  int nr;
  struct pid_namespace* ns;
};

struct pid {
  unsigned int level;
  struct upid numbers[1];
};

struct key {
  __s32 serial;
};

typedef struct {
  __u32 val;
} kuid_t;

/* One number since 6.3, two of 32 bits before: only its place matters. */
typedef struct {
  __u64 val;
} kernel_cap_t;

struct cred {
  kuid_t uid;
  kernel_cap_t cap_effective;
  struct key* session_keyring;
  struct key* process_keyring;
  struct key* thread_keyring;
};

struct super_block {
  unsigned int s_dev;
  unsigned long s_magic;
};

struct inode {
  unsigned short i_mode;
  unsigned int i_nlink;
  unsigned int i_rdev;
  kuid_t i_uid;
  struct super_block* i_sb;
  unsigned long i_ino;
  void* i_private;
};

struct qstr {
  const unsigned char* name;
};

struct dentry {
  struct dentry* d_parent;
  struct qstr d_name;
  struct inode* d_inode;
};

struct vfsmount {
  struct dentry* mnt_root;
};

struct mount {
  struct mount* mnt_parent;
  struct dentry* mnt_mountpoint;
  struct vfsmount mnt;
};

struct mnt_namespace {
  struct ns_common ns;
};

struct nsproxy {
  struct mnt_namespace* mnt_ns;
};

struct path {
  struct vfsmount* mnt;
  struct dentry* dentry;
};

struct file {
  unsigned int f_mode;
  struct inode* f_inode;
  struct path f_path;
  void* private_data;
};

struct fdtable {
  unsigned int max_fds;
  struct file** fd;
};

struct files_struct {
  struct fdtable* fdt;
};

struct mm_struct {
  struct file* exe_file;
};

struct signal_struct {
  struct list_head thread_head;
};

struct task_struct {
  struct pid* thread_pid;
  struct list_head thread_node;
  struct signal_struct* signal;
  struct files_struct* files;
  const struct cred* cred;
  struct mm_struct* mm;
  struct task_struct* group_leader;
  struct task_struct* real_parent;
  struct nsproxy* nsproxy;
  int tgid;
  unsigned long long start_boottime;
  char comm[16];
};

struct vm_area_struct {
  struct file* vm_file;
};

struct iattr {
  unsigned int ia_valid;
};

/* Which hooks there are. */
union security_list_options {
  void* inode_post_setattr;
};

struct linux_binprm {
  struct file* file;
};

struct module {
  char name[56];
};

struct bpf_map {
  unsigned int id;
};

struct bpf_prog_aux {
  unsigned int id;
};

struct bpf_prog {
  struct bpf_prog_aux* aux;
};

struct bpf_link {
  unsigned int id;
};

struct sock {
  unsigned short sk_protocol;
};

struct sk_buff {
  unsigned int len;
  unsigned char* data;
};

struct io_socket {
  int domain;
  int type;
  int protocol;
};

enum kernel_read_file_id {
  READING_MODULE = 2,
  READING_KEXEC_IMAGE = 3,
};

enum kernel_load_data_id {
  LOADING_MODULE = 2,
  LOADING_KEXEC_IMAGE = 3,
};

/* The record of a tracepoint, where its arguments changed over the versions. */
struct trace_event_raw_io_uring_complete {
  void* req;
  int res;
};

struct proc_inode {
  struct pid* pid;
  struct inode vfs_inode;
};

struct filename {
  const char* name;
};

struct open_how {
  __u64 flags;
};

/* io_uring's per-operation data lies at the start of the request (struct io_cmd_data). */
struct io_kiocb {
  __u8 opcode;
};

struct io_open {
  struct filename* filename;
  struct open_how how;
};

struct io_rename {
  struct filename* oldpath;
  struct filename* newpath;
};

struct io_unlink {
  struct filename* filename;
};

struct io_link {
  struct filename* oldpath;
  struct filename* newpath;
};

struct io_xattr {
  struct filename* filename;
};

#pragma clang attribute pop

/* What a plain tracepoint of a system call passes (the format files of tracefs: a stable interface). */
struct akm_sys_enter {
  __u64 common;
  long id;
  unsigned long args[6];
};

struct akm_sys_exit {
  __u64 common;
  long id;
  long result;
};

#endif
