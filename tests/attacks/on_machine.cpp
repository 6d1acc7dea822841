// More ways to the same ends on the machine: rows D3, D8, D9, D11 to D14, D16, D17, D19, D20, D24, D25, D29,
// D30, D33.
#include <fcntl.h>
#include <liburing.h>
#include <linux/genetlink.h>
#include <linux/if_ether.h>
#include <linux/mount.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "tests/attacks/attack.h"

namespace akm::attacks {
namespace {

constexpr int kAuditProtocol = 9;
constexpr std::uint16_t kDeleteRule = 1012;
constexpr int kLogClear = 5;

int or_unavailable(int result) {
  return result == ENOENT || result == ENXIO || result == ENODEV ? kUnavailable : result;
}

int by_ring(const char* path, int flags) {
  return or_unavailable(open_by_io_uring(AT_FDCWD, path, flags));
}

int tpm_by_ring(const Target&) {
  return by_ring("/dev/tpmrm0", O_RDWR);
}

int core_by_ring(const Target&) {
  return by_ring("/proc/sys/kernel/core_pattern", O_WRONLY);
}

int lockdown_by_ring(const Target&) {
  return by_ring("/sys/kernel/security/lockdown", O_WRONLY);
}

/// The setting under another name, in mounts of our own.
int setting_by_bind(const Target&) {
  return in_namespaces(CLONE_NEWNS, [] {
    char place[] = "/tmp/atk-file-XXXXXX";
    const int made = ::mkstemp(place);
    if (made < 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno;
    (void)::close(made);
    if (::mount("/proc/sys/kernel/kptr_restrict", place, nullptr, MS_BIND, nullptr) != 0) return errno;
    const int result = open_once(place, O_WRONLY);
    (void)::umount2(place, MNT_DETACH);
    (void)::unlink(place);
    return result;
  });
}

int setting_by_descriptor(const Target&) {
  const int path = ::open("/proc/sys/kernel/kptr_restrict", O_PATH | O_CLOEXEC);
  return or_unavailable(open_once("/proc/self/fd/" + std::to_string(path), O_WRONLY));
}

int files_of_process(const Target& target) {
  return open_once("/proc/" + std::to_string(target.pid) + "/fd", O_RDONLY | O_DIRECTORY);
}

int maps_of_thread(const Target& target) {
  const std::string pid = std::to_string(target.pid);
  return open_once("/proc/" + pid + "/task/" + pid + "/maps", O_RDONLY);
}

int stop_thread(const Target& target) {
  const int result = outcome(::syscall(SYS_tgkill, target.pid, target.pid, SIGSTOP));
  (void)::usleep(1000);
  return result != 0 ? result : outcome(::kill(target.pid, SIGCONT));
}

/// A copy of another mount, put there by descriptors only.
int mount_by_descriptor(const Target& target) {
  const int place = ::open(target.config.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  const int tree = static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, "/dev", OPEN_TREE_CLONE));
  if (place < 0 || tree < 0) return errno == ENOSYS ? kUnavailable : errno;
  const int result = outcome(
      ::syscall(SYS_move_mount, tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
  (void)::usleep(300'000);  // who looks at the mounts looks when they change
  if (result == 0) (void)::umount2(target.config.c_str(), MNT_DETACH);
  return result;
}

int run_and_wait(const char* path, const char* name) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    (void)::dup2(nowhere, STDOUT_FILENO);
    (void)::dup2(nowhere, STDERR_FILENO);
    (void)::execl(path, name, "--version", nullptr);
    ::_exit(1);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child ? 0 : errno;
}

int tool_by_link(const Target&) {
  const std::string link = "/tmp/atk-tool-" + std::to_string(::getpid());
  for (const char* path : {"/usr/bin/gdb", "/usr/bin/strace"}) {
    if (::access(path, X_OK) != 0) continue;
    if (::symlink(path, link.c_str()) != 0) return errno;
    const int result = run_and_wait(link.c_str(), "cat");
    (void)::unlink(link.c_str());
    return result;
  }
  return kUnavailable;
}

int from_removed_file(const Target& target) {
  return again_renamed("ok17-nothing", target);
}

/// "masked" in the words of the service manager.
int mask_unit(const Target&) {
  constexpr const char* kUnit = "/etc/systemd/system/akm-atk.service";
  if (::access("/etc/systemd/system", W_OK) != 0) return kUnavailable;
  const int result = outcome(::symlink("/dev/null", kUnit));
  (void)::unlink(kUnit);
  return result;
}

int rename_unit(const Target&) {
  const std::string made = "/etc/systemd/system/atk-" + std::to_string(::getpid());
  constexpr const char* kUnit = "/etc/systemd/system/akmd.timer";
  if (::access("/etc/systemd/system", W_OK) != 0) return kUnavailable;
  if (const int failed = open_once(made, O_WRONLY | O_CREAT); failed != 0) return failed;
  const int result = outcome(::rename(made.c_str(), kUnit));
  (void)::unlink(result == 0 ? kUnit : made.c_str());
  return result;
}

int polling_ring(const Target&) {
  io_uring ring{};
  if (::io_uring_queue_init(4, &ring, IORING_SETUP_SQPOLL) != 0) return kUnavailable;
  ::io_uring_queue_exit(&ring);
  return 0;
}

/// A request with the credentials that were registered before.
int ring_with_credentials(const Target&) {
  io_uring ring{};
  if (::io_uring_queue_init(4, &ring, 0) != 0) return kUnavailable;
  const int who = ::io_uring_register_personality(&ring);
  io_uring_sqe* request = ::io_uring_get_sqe(&ring);
  ::io_uring_prep_nop(request);
  request->personality = static_cast<std::uint16_t>(who);
  (void)::io_uring_submit(&ring);
  io_uring_cqe* done = nullptr;
  const int result = who < 0 ? -who : -::io_uring_wait_cqe(&ring, &done);
  ::io_uring_queue_exit(&ring);
  return result;
}

int wait_otherwise(const Target&) {
  return outcome(::close(static_cast<int>(::syscall(SYS_epoll_create1, 0))));
}

/// A generic netlink message of `type` and `command` with one attribute; its answer's first 64 bytes.
int ask_generic(int fd, std::uint16_t type, std::uint8_t command, std::uint16_t attribute, const void* value,
                std::uint16_t bytes, char (&answer)[512]) {
  struct {
    nlmsghdr header{};
    genlmsghdr generic{};
    nlattr attribute{};
    char value[32]{};
  } question;
  const std::size_t attribute_bytes = (sizeof(nlattr) + bytes + 3) / 4 * 4;
  question.header.nlmsg_len =
      static_cast<std::uint32_t>(sizeof(nlmsghdr) + sizeof(genlmsghdr) + attribute_bytes);
  question.header.nlmsg_type = type;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  question.generic.cmd = command;
  question.generic.version = 1;
  question.attribute.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + bytes);
  question.attribute.nla_type = attribute;
  std::memcpy(question.value, value, bytes);
  if (::send(fd, &question, question.header.nlmsg_len, 0) < 0) return errno;
  return ::recv(fd, answer, sizeof(answer), 0) < 0 ? errno : 0;
}

/// Asks for a WireGuard interface with its private key; that there is none is told after the question was
/// sent.
int dump_wireguard(const Target&) {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
  char answer[512] = {};
  if (fd < 0) return errno;
  if (const int failed =
          ask_generic(fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, "wireguard", 10, answer);
      failed != 0)
    return failed;
  if (reinterpret_cast<const nlmsghdr*>(answer)->nlmsg_type != GENL_ID_CTRL) return kUnavailable;
  // The answer's attributes: the name (12 bytes with its header and padding: 4 + 10 -> 16), then the number.
  const char* at = answer + sizeof(nlmsghdr) + sizeof(genlmsghdr);
  std::uint16_t family = 0;
  for (int i = 0; i < 4 && family == 0; ++i) {
    const auto* one = reinterpret_cast<const nlattr*>(at);
    if (one->nla_type == CTRL_ATTR_FAMILY_ID) std::memcpy(&family, at + sizeof(nlattr), sizeof(family));
    at += NLA_ALIGN(one->nla_len);
  }
  const std::uint32_t interface = 1;
  const int result = ask_generic(fd, family, 0, 1, &interface, sizeof(interface), answer);
  (void)::close(fd);
  return result;
}

nlmsghdr dump_of_associations() {
  nlmsghdr header{};
  header.nlmsg_len = sizeof(header);
  header.nlmsg_type = XFRM_MSG_GETSA;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  return header;
}

/// Done with a raw socket of a netlink protocol.
template <typename Act>
int with_netlink(int protocol, const Act& act) {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return errno == EPROTONOSUPPORT ? kUnavailable : errno;
  const int result = act(fd);
  (void)::close(fd);
  return result;
}

int associations_in_thread(const Target&) {
  return in_thread([] {
    return with_netlink(NETLINK_XFRM, [](int fd) {
      const nlmsghdr question = dump_of_associations();
      return outcome(::send(fd, &question, sizeof(question), 0));
    });
  });
}

/// Behind a message that is harmless, in one send.
int associations_behind(const Target&) {
  return with_netlink(NETLINK_XFRM, [](int fd) {
    nlmsghdr questions[2] = {dump_of_associations(), dump_of_associations()};
    questions[0].nlmsg_type = NLMSG_NOOP;
    questions[0].nlmsg_flags = 0;
    return outcome(::send(fd, questions, sizeof(questions), 0));
  });
}

/// Asked by a request of a ring.
int associations_by_ring(const Target&) {
  return with_netlink(NETLINK_XFRM, [](int fd) {
    io_uring ring{};
    if (::io_uring_queue_init(4, &ring, 0) != 0) return kUnavailable;
    const nlmsghdr question = dump_of_associations();
    ::io_uring_prep_send(::io_uring_get_sqe(&ring), fd, &question, sizeof(question), 0);
    (void)::io_uring_submit(&ring);
    io_uring_cqe* done = nullptr;
    const int result = ::io_uring_wait_cqe(&ring, &done) != 0 ? -EIO : done->res;
    ::io_uring_queue_exit(&ring);
    return result < 0 ? -result : 0;
  });
}

int key_socket(const Target&) {
  constexpr int kVersion = 2;  // PF_KEY_V2
  const int fd = ::socket(AF_KEY, SOCK_RAW | SOCK_CLOEXEC, kVersion);
  if (fd < 0) return errno == EAFNOSUPPORT ? kUnavailable : errno;
  return outcome(::close(fd));
}

int list_families(const Target&) {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
  char answer[512] = {};
  const int result =
      fd < 0 ? errno
             : ask_generic(fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, "nlctrl", 7, answer);
  (void)::close(fd);
  return result;
}

int capture_by_ring(const Target&) {
  io_uring ring{};
  if (::io_uring_queue_init(4, &ring, 0) != 0) return kUnavailable;
  io_uring_sqe* request = ::io_uring_get_sqe(&ring);
  ::io_uring_prep_rw(IORING_OP_SOCKET, request, AF_PACKET, nullptr, htons(ETH_P_ALL), SOCK_RAW);
  (void)::io_uring_submit(&ring);
  io_uring_cqe* done = nullptr;
  const int result = ::io_uring_wait_cqe(&ring, &done) != 0 ? -EIO : done->res;
  ::io_uring_queue_exit(&ring);
  if (result >= 0) (void)::close(result);
  return result == -EINVAL ? kUnavailable : result < 0 ? -result : 0;  // before Linux 5.19
}

int clock_by_offset(const Target&) {
  timex change{};
  change.modes = ADJ_SETOFFSET;
  change.time.tv_sec = 3600;
  const int result = outcome(::adjtimex(&change));
  change.modes = ADJ_SETOFFSET;
  change.time.tv_sec = -3600;
  change.time.tv_usec = 0;
  (void)::adjtimex(&change);
  return result;
}

int log_from_thread(const Target&) {
  return in_thread([] { return outcome(::klogctl(kLogClear, nullptr, 0)); });
}

/// A rule that is not there: the kernel refuses it after it was asked to forget it.
int delete_audit_rule(const Target&) {
  return with_netlink(kAuditProtocol, [](int fd) {
    struct {
      nlmsghdr header{};
      char rule[1040]{};
    } question;
    question.header.nlmsg_len = sizeof(question);
    question.header.nlmsg_type = kDeleteRule;
    question.header.nlmsg_flags = NLM_F_REQUEST;
    return outcome(::send(fd, &question, sizeof(question), 0));
  });
}

/// The case is opened: the input stays as it is.
int open_case(const Target&) {
  const char* input = std::getenv("AKM_ATTACK_TAMPER");
  if (input == nullptr) return kUnavailable;
  const int fd = ::open(input, O_WRONLY | O_TRUNC | O_CLOEXEC);
  return fd < 0 || ::write(fd, "1\n", 2) != 2 ? errno : outcome(::close(fd));
}

int look_at_case(const Target&) {
  const char* input = std::getenv("AKM_ATTACK_TAMPER");
  return input == nullptr ? kUnavailable : open_once(input, O_RDONLY);
}

constexpr Attack kTable[] = {
    {"d3-fd", "D3", "process-inspection", Kind::attack, files_of_process},
    {"d3-task", "D3", "process-inspection", Kind::around, maps_of_thread},
    {"d8-tgkill", "D8", "daemon-signal", Kind::around, stop_thread},
    {"d9-uring", "D9", "tpm-access", Kind::around, tpm_by_ring},
    {"d11-by-fd", "D11", "hiding-mount", Kind::around, mount_by_descriptor},
    {"d12-uring", "D12", "core-dump-redirected", Kind::around, core_by_ring},
    {"d13-bind", "D13", "hardening-weakened", Kind::around, setting_by_bind},
    {"d13-fd", "D13", "hardening-weakened", Kind::around, setting_by_descriptor},
    {"d14-uring", "D14", "mac-disabled", Kind::around, lockdown_by_ring},
    {"d16-link", "D16", "debugger-started", Kind::around, tool_by_link},
    {"d17-removed", "D17", "fileless-execution", Kind::around, from_removed_file},
    {"d19-mask", "D19", "service-tampering", Kind::attack, mask_unit, Changes::etc},
    {"d19-rename", "D19", "service-tampering", Kind::around, rename_unit, Changes::etc},
    {"d20-polling", "D20", "io-uring-use", Kind::attack, polling_ring},
    {"d20-identity", "D20", "io-uring-use", Kind::around, ring_with_credentials},
    {"ok20-epoll", "D20", "io-uring-use", Kind::benign, wait_otherwise},
    {"d24-wireguard", "D24", "consumer-key-dump", Kind::attack, dump_wireguard},
    {"d24-pfkey", "D24", "consumer-key-dump", Kind::attack, key_socket},
    {"d24-thread", "D24", "consumer-key-dump", Kind::around, associations_in_thread},
    {"d24-behind", "D24", "consumer-key-dump", Kind::around, associations_behind},
    {"d24-uring", "D24", "consumer-key-dump", Kind::around, associations_by_ring},
    {"ok24-families", "D24", "consumer-key-dump", Kind::benign, list_families},
    {"d25-uring", "D25", "packet-capture", Kind::around, capture_by_ring},
    {"d29-offset", "D29", "clock-jump", Kind::around, clock_by_offset, Changes::machine},
    {"d30-thread", "D30", "audit-impaired", Kind::around, log_from_thread, Changes::machine},
    {"d30-rule", "D30", "audit-impaired", Kind::attack, delete_audit_rule, Changes::machine},
    {"d33-case", "D33", "tamper-input", Kind::attack, open_case},
    {"ok33-look", "D33", "tamper-input", Kind::benign, look_at_case},
};

}  // namespace

std::span<const Attack> on_machine() {
  return kTable;
}

}  // namespace akm::attacks
