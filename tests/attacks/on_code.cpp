// Code that comes in by other ways than the plain one: rows D4, D6, D9, D15, D16, D18.
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "tests/attacks/attack.h"
#include "tests/attacks/ia32.h"

namespace akm::attacks {
namespace {

constexpr int kIa32KexecLoad = 283;
constexpr int kIa32Bpf = 357;
constexpr std::uint32_t kKexecI386 = 3U << 16;
constexpr const char* kPreload = "/etc/ld.so.preload";
// Longer than attacks.sh's watch.interval_s: user space has looked meanwhile.
constexpr unsigned kLookMicroseconds = 6'000'000;

/// A program that does nothing. The attributes have 64 bits for each address, in 32-bit calls too.
bpf_attr nothing_to_load(const bpf_insn (&code)[2]) {
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attributes.insns = reinterpret_cast<std::uint64_t>(code);
  attributes.insn_cnt = 2;
  attributes.license = reinterpret_cast<std::uint64_t>("GPL");
  return attributes;
}

constexpr bpf_insn kNothing[] = {
    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};

int load_program() {
  bpf_attr attributes = nothing_to_load(kNothing);
  return outcome(::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes)));
}

int load_in_thread(const Target&) {
  return in_thread(load_program);
}

int load_in_namespaces(const Target&) {
  return in_namespaces(CLONE_NEWPID | CLONE_NEWNS, load_program);
}

int load_from_memory(const Target& target) {
  return again_from_memory("d6-program", target);
}

int load_renamed(const Target& target) {
  return again_renamed("d6-program", target);
}

int load_by_ia32(const Target&) {
  const bpf_attr attributes = nothing_to_load(kNothing);
  const std::uint32_t low = low_copy(&attributes, sizeof(attributes));
  return low == 0 ? kUnavailable : ia32_call(kIa32Bpf, BPF_PROG_LOAD, low, sizeof(attributes), 0);
}

/// No image at all: what was loaded before would be forgotten.
int unload_kernel() {
  const int result = outcome(::syscall(SYS_kexec_load, 0, 0, nullptr, 0));
  return result == ENOSYS ? kUnavailable : result;
}

int kexec_of_old(const Target&) {
  return unload_kernel();
}

int kexec_in_thread(const Target&) {
  return in_thread(unload_kernel);
}

int kexec_from_memory(const Target& target) {
  return again_from_memory("d15-load", target);
}

int kexec_by_ia32(const Target&) {
  return ia32_call(kIa32KexecLoad, 0, 0, 0, kKexecI386);
}

/// The device under a name and in a folder of our own.
int open_node(dev_t device) {
  const std::string node = "/tmp/atk-node-" + std::to_string(::getpid());
  if (::mknod(node.c_str(), S_IFCHR | 0600, device) != 0) return errno == EPERM ? kUnavailable : errno;
  const int result = open_once(node, O_RDWR);
  (void)::unlink(node.c_str());
  return result == ENXIO || result == ENODEV || result == EACCES ? kUnavailable : result;
}

int memory_node(const Target&) {
  return open_node(makedev(1, 1));
}

int tpm_node(const Target&) {
  struct stat found{};
  return ::stat("/dev/tpmrm0", &found) != 0 ? kUnavailable : open_node(found.st_rdev);
}

int run_and_wait(const std::string& path) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    (void)::dup2(nowhere, STDOUT_FILENO);
    (void)::dup2(nowhere, STDERR_FILENO);
    (void)::execl(path.c_str(), path.c_str(), "--version", nullptr);
    ::_exit(1);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child ? 0 : errno;
}

/// Another file with the same content, and a name that says nothing.
int tool_copied(const Target&) {
  const std::string copy = "/tmp/atk-copy-" + std::to_string(::getpid());
  for (const char* path : {"/usr/bin/gdb", "/usr/bin/strace"}) {
    const int out =
        ::access(path, X_OK) != 0 ? -1 : ::open(copy.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    if (out < 0) continue;
    const int failed = copy_file(path, out);
    (void)::close(out);
    const int result = failed != 0 ? failed : run_and_wait(copy);
    (void)::unlink(copy.c_str());
    return result;
  }
  return kUnavailable;
}

/// Done with /etc/ld.so.preload, which is there afterwards if it was before. An empty one preloads nothing.
/// It is removed by its folder: nobody is to notice the act by that.
template <typename Act>
int at_preload(const Act& act) {
  const bool was_there = ::access(kPreload, F_OK) == 0;
  const int result = act();
  if (!was_there) (void)::unlinkat(::open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC), "ld.so.preload", 0);
  return result;
}

int preload_by_ring(const Target&) {
  return at_preload([] { return open_by_io_uring(AT_FDCWD, kPreload, O_WRONLY | O_CREAT | O_APPEND); });
}

/// An empty file that is renamed to it.
int preload_by_rename(const Target&) {
  if (::access(kPreload, F_OK) == 0) return kUnavailable;
  const std::string made = "/etc/atk-" + std::to_string(::getpid());
  if (const int failed = open_once(made, O_WRONLY | O_CREAT); failed != 0) return failed;
  return at_preload([&] { return outcome(::rename(made.c_str(), kPreload)); });
}

/// The same without its path, and it stays until user space has looked.
int preload_by_descriptor(const Target&) {
  if (::access(kPreload, F_OK) == 0) return kUnavailable;
  const std::string name = "atk-" + std::to_string(::getpid());
  const int etc = ::open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (const int failed = open_once("/etc/" + name, O_WRONLY | O_CREAT); failed != 0) return failed;
  return at_preload([&] {
    const int result = outcome(::renameat(etc, name.c_str(), etc, "ld.so.preload"));
    (void)::usleep(kLookMicroseconds);
    return result;
  });
}

/// Its folder under another name, in mounts of our own.
int preload_by_bind(const Target&) {
  return at_preload([] {
    return in_namespaces(CLONE_NEWNS, [] {
      char place[] = "/tmp/atk-etc-XXXXXX";
      if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 || ::mkdtemp(place) == nullptr)
        return errno;
      if (::mount("/etc", place, nullptr, MS_BIND, nullptr) != 0) return errno;
      const int result = open_once(std::string(place) + "/ld.so.preload", O_WRONLY | O_CREAT | O_APPEND);
      (void)::umount2(place, MNT_DETACH);
      (void)::rmdir(place);
      return result;
    });
  });
}

constexpr Attack kTable[] = {
    {"d4-node", "D4", "kernel-memory", Kind::around, memory_node},
    {"d6-thread", "D6", "bpf-use", Kind::around, load_in_thread},
    {"d6-namespaces", "D6", "bpf-use", Kind::around, load_in_namespaces},
    {"d6-memfd", "D6", "bpf-use", Kind::around, load_from_memory},
    {"d6-renamed", "D6", "bpf-use", Kind::around, load_renamed},
    {"d6-ia32", "D6", "bpf-use", Kind::around, load_by_ia32},
    {"d9-node", "D9", "tpm-access", Kind::around, tpm_node},
    {"d15-load", "D15", "kexec-load", Kind::attack, kexec_of_old},
    {"d15-thread", "D15", "kexec-load", Kind::around, kexec_in_thread},
    {"d15-memfd", "D15", "kexec-load", Kind::around, kexec_from_memory},
    {"d15-ia32", "D15", "kexec-load", Kind::around, kexec_by_ia32},
    {"d16-copy", "D16", "debugger-started", Kind::around, tool_copied},
    {"d18-uring", "D18", "foreign-code", Kind::around, preload_by_ring, Changes::etc},
    {"d18-rename", "D18", "foreign-code", Kind::around, preload_by_rename, Changes::etc},
    {"d18-rename-at", "D18", "foreign-code", Kind::around, preload_by_descriptor, Changes::etc},
    {"d18-bind", "D18", "foreign-code", Kind::around, preload_by_bind, Changes::etc},
};

}  // namespace

std::span<const Attack> on_code() {
  return kTable;
}

}  // namespace akm::attacks
