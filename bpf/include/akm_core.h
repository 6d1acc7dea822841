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

struct cred {
  struct key* session_keyring;
  struct key* process_keyring;
  struct key* thread_keyring;
};

struct super_block {
  unsigned int s_dev;
  unsigned long s_magic;
};

struct inode {
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

struct path {
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

struct signal_struct {
  struct list_head thread_head;
};

struct task_struct {
  struct pid* thread_pid;
  struct list_head thread_node;
  struct signal_struct* signal;
  struct files_struct* files;
  const struct cred* cred;
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
