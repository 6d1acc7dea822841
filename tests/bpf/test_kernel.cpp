// D5, D6, D8, D11, D15, D20, D24, D25, D29 and D31: what is asked of the kernel, an attack and a benign act
// for each row.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <thread>

#include "tests/bpf/rows.h"

using namespace akm::bpf;
using namespace akm::bpf::test;

namespace {

pid_t ours = 0;
constexpr clockid_t kSettableClock = 0;

void kernel_code(ProbeSet& probes) {
  Row module(probes, "D5", Watch::module);
  module.test(Kind::attack, "loads a module",
              [] { return ::syscall(SYS_init_module, "not a module", 12, "") != 0 ? 0 : 1; });
  module.test(Kind::benign, "lists the modules",
              [] { return ::open("/proc/modules", O_RDONLY) >= 0 ? 0 : kNotHere; });
  Row kexec(probes, "D15", Watch::kexec);
  kexec.test(Kind::attack, "loads a kernel",
             [] { return ::syscall(SYS_kexec_load, 0, 0, nullptr, ~0UL) != 0 ? 0 : 1; });
  kexec.test(Kind::benign, "asks whether one is loaded",
             [] { return ::open("/sys/kernel/kexec_loaded", O_RDONLY) >= 0 ? 0 : kNotHere; });
}

int load_program() {
  const bpf_insn instructions[] = {{.code = 0xb7, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
                                   {.code = 0x95, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  const int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "akm_test", "GPL", instructions, 2, nullptr);
  if (fd < 0) return 1;
  return ::close(fd);
}

/// The map of that name of this process's sensor, by its number. That of a daemon which runs meanwhile would
/// rightly be defended.
int our_map(const std::string& name) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone) != "anon_inode:bpf-map") continue;
    bpf_map_info info{};
    std::uint32_t size = sizeof(info);
    const int fd = std::stoi(entry.path().filename());
    if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.name == name)
      return bpf_map_get_fd_by_id(info.id);
  }
  return -1;
}

void bpf_use(ProbeSet& probes) {
  Row use(probes, "D6", Watch::bpf_use);
  use.test(Kind::attack, "loads a program", load_program);
  use.by("akm-row-thread").test(Kind::around, "by a thread", [] {
    int result = 1;
    std::thread([&result] {
      (void)::prctl(PR_SET_NAME, "akm-row-thread");
      result = load_program();
    }).join();
    return result;
  });
  use.test(Kind::benign, "makes a map of its own", [] {
    const int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "akm_benign", 4, 4, 1, nullptr);
    const std::uint32_t zero = 0;
    return map >= 0 && bpf_map_update_elem(map, &zero, &zero, BPF_ANY) == 0 ? 0 : 1;
  });
  Row own(probes, "D6", Watch::bpf_ours);
  own.test(Kind::attack, "clears the guarded keys of the daemon", [] {
    const int map = our_map("guarded_keys");
    const std::int32_t key = 1;
    if (map < 0) return 1;
    (void)bpf_map_delete_elem(map, &key);
    return 0;
  });
  own.test(Kind::attack, "silences the daemon's programs", [] {
    const int map = our_map("counts");
    const std::uint32_t index = 0;
    const std::array<std::uint64_t, 256> nothing{};
    return map >= 0 && bpf_map_update_elem(map, &index, nothing.data(), BPF_ANY) == 0 ? 0 : 1;
  });
  own.test(Kind::benign, "updates a map of its own", [] {
    const int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "akm_benign", 4, 4, 1, nullptr);
    const std::uint32_t zero = 0;
    return map >= 0 && bpf_map_update_elem(map, &zero, &zero, BPF_ANY) == 0 ? 0 : 1;
  });
}

int open_pidfd(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

void signals(ProbeSet& probes) {
  Row row(probes, "D8", Watch::signal);
  // We hold them back: a blocked signal is made all the same.
  sigset_t set;
  sigset_t before;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGQUIT, SIGABRT, SIGSEGV}) ::sigaddset(&set, signal);
  (void)::sigprocmask(SIG_BLOCK, &set, &before);
  row.test(Kind::attack, "kill", [] { return ::kill(ours, SIGTERM); });
  row.test(Kind::around, "by a pidfd", [] {
    return static_cast<int>(::syscall(SYS_pidfd_send_signal, open_pidfd(ours), SIGQUIT, nullptr, 0));
  });
  row.test(Kind::around, "to a thread",
           [] { return static_cast<int>(::syscall(SYS_tgkill, ours, ours, SIGABRT)); });
  row.test(Kind::around, "with data", [] { return ::sigqueue(ours, SIGSEGV, {}); });
  row.test(Kind::benign, "asks whether we are there, and sends SIGUSR2", [] { return ::kill(ours, 0); });
  for (const int signal : {SIGTERM, SIGQUIT, SIGABRT, SIGSEGV}) {
    struct timespec none{};
    sigset_t one;
    ::sigemptyset(&one);
    ::sigaddset(&one, signal);
    (void)::sigtimedwait(&one, nullptr, &none);
  }
  (void)::sigprocmask(SIG_SETMASK, &before, nullptr);
}

void mounts(ProbeSet& probes, const std::string& base) {
  Row row(probes, "D11", Watch::mount);
  row.test(Kind::attack, "mounts over the folder above", [&] {
    if (::mount("none", base.c_str(), "tmpfs", 0, nullptr) != 0) return kNotHere;
    return ::umount(base.c_str());
  });
  row.test(Kind::around, "by a bind mount", [&] {
    if (::mount("/mnt", base.c_str(), nullptr, MS_BIND, nullptr) != 0) return kNotHere;
    return ::umount(base.c_str());
  });
  row.test(Kind::lsm_around, "relative", [&] {
    if (::chdir("/tmp") != 0 || ::mount("none", base.substr(5).c_str(), "tmpfs", 0, nullptr) != 0)
      return kNotHere;
    return ::umount(base.c_str());
  });
  row.test(Kind::benign, "mounts in a namespace of its own", [&] {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return kNotHere;
    return ::mount("none", base.c_str(), "tmpfs", 0, nullptr);
  });
}

void rings(ProbeSet& probes) {
  Row row(probes, "D20", Watch::io_uring);
  row.test(Kind::attack, "sets up a ring", [] {
    io_uring ring{};
    return ::io_uring_queue_init(4, &ring, 0) == 0 ? 0 : kNotHere;
  });
  row.test(Kind::attack, "sets up a ring with a polling thread", [] {
    io_uring ring{};
    return ::io_uring_queue_init(4, &ring, IORING_SETUP_SQPOLL) == 0 ? 0 : kNotHere;
  });
  row.test(Kind::benign, "is refused one",
           [] { return ::syscall(SYS_io_uring_setup, 0, nullptr) < 0 ? 0 : 1; });
}

/// Each tier sees one of the two: the socket, or the question.
int ask_for_associations() {
  constexpr std::uint16_t kGetAssociations = 0x12;  // XFRM_MSG_GETSA
  const int fd = ::socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM);
  if (fd < 0) return kNotHere;
  nlmsghdr question{};
  question.nlmsg_len = sizeof(question);
  question.nlmsg_type = kGetAssociations;
  question.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  return ::send(fd, &question, sizeof(question), 0) < 0 ? 1 : 0;
}

void sockets(ProbeSet& probes) {
  Row keys(probes, "D24", Watch::consumer_keys);
  keys.test(Kind::attack, "asks for the associations of XFRM", ask_for_associations);
  keys.test(Kind::benign, "opens a route socket",
            [] { return ::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0 ? 0 : 1; });
  Row packets(probes, "D25", Watch::packet);
  packets.test(Kind::attack, "opens a packet socket",
               [] { return ::socket(AF_PACKET, SOCK_RAW, 0) >= 0 ? 0 : kNotHere; });
  packets.test(Kind::attack, "opens a raw socket",
               [] { return ::socket(AF_INET, SOCK_RAW, 1) >= 0 ? 0 : kNotHere; });
  packets.test(Kind::around, "by io_uring", [] {
    io_uring ring{};
    if (::io_uring_queue_init(4, &ring, 0) != 0) return kNotHere;
    io_uring_sqe* sqe = ::io_uring_get_sqe(&ring);
    ::io_uring_prep_rw(45, sqe, AF_PACKET, nullptr, 0, SOCK_RAW);  // IORING_OP_SOCKET
    (void)::io_uring_submit(&ring);
    io_uring_cqe* cqe = nullptr;
    (void)::io_uring_wait_cqe(&ring, &cqe);
    return cqe->res >= 0 ? 0 : kNotHere;
  });
  packets.test(Kind::around, "in a network namespace of its own", [] {
    if (::unshare(CLONE_NEWNET) != 0) return kNotHere;
    return ::socket(AF_PACKET, SOCK_DGRAM, 0) >= 0 ? 0 : 1;
  });
  packets.test(Kind::benign, "opens UDP and TCP sockets", [] {
    return ::socket(AF_INET, SOCK_DGRAM, 0) >= 0 && ::socket(AF_INET6, SOCK_STREAM, 0) >= 0 ? 0 : 1;
  });
}

void clocks(ProbeSet& probes) {
  Row row(probes, "D29", Watch::clock);
  // A time that cannot be: the clock stays. The security modules are asked about others only.
  row.test(Kind::attack, "sets the clock", [&row] {
    if (row.tier() != "tracepoint") {
      timespec now{};
      return ::clock_gettime(kSettableClock, &now) == 0 ? ::clock_settime(kSettableClock, &now) : 1;
    }
    const timespec never{.tv_sec = -1, .tv_nsec = -1};
    // The library would refuse it itself.
    return ::syscall(SYS_clock_settime, kSettableClock, &never) != 0 ? 0 : 1;
  });
  row.test(Kind::around, "by an offset", [] {
    timex adjustment{};
    adjustment.modes = ADJ_SETOFFSET;
    adjustment.time.tv_usec = -1;
    return ::adjtimex(&adjustment) < 0 ? 0 : kNotHere;
  });
  row.test(Kind::benign, "reads the clock and its frequency", [] {
    timex state{};
    return ::adjtimex(&state) >= 0 ? 0 : 1;
  });
}

void capabilities(ProbeSet& probes) {
  Row row(probes, "D31", Watch::privilege);
  const auto change = [](bool raise) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0) return 1;
    const auto all = sets;
    sets[0].effective &= ~(1U << CAP_SYS_ADMIN);
    if (::syscall(SYS_capset, &header, sets.data()) != 0) return kNotHere;
    return raise ? static_cast<int>(::syscall(SYS_capset, &header, all.data())) : 0;
  };
  row.test(Kind::attack, "raises CAP_SYS_ADMIN", [&] { return change(true); });
  row.test(Kind::benign, "gives CAP_SYS_ADMIN up", [&] { return change(false); });
}

}  // namespace

int main() {
  const Folder base;
  const std::string above = base.path() + "/above";
  const std::string state = above + "/state";
  (void)::mkdir(above.c_str(), 0755);
  (void)::mkdir(state.c_str(), 0755);
  ProbeOptions options;
  options.state_folders = {state};
  const auto probes = open_or_skip(options);
  ours = ::getpid();
  kernel_code(*probes);
  bpf_use(*probes);
  signals(*probes);
  mounts(*probes, above);
  rings(*probes);
  sockets(*probes);
  clocks(*probes);
  capabilities(*probes);
  return finish();
}
