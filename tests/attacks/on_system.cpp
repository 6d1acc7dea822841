// The other rows: the kernel, its settings, the network and the machine. What changes nothing is done
// anywhere; what does is marked, and done only on a machine that is thrown away.
#include <arpa/inet.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/attacks/attack.h"

namespace akm::attacks {
namespace {

constexpr unsigned kScannedPorts = 200;
constexpr unsigned kForgedFrames = 300;

/// Writes what stands there: it is the same afterwards.
int write_again(const char* path) {
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? kUnavailable : errno;
  const long written = ::write(fd, text.data(), text.size());
  const int result = outcome(written);
  (void)::close(fd);
  return result;
}

int optional_open(const char* path, int flags) {
  const int result = open_once(path, flags);
  return result == ENOENT || result == ENXIO || result == ENODEV ? kUnavailable : result;
}

int kernel_core(const Target&) {
  return optional_open("/proc/kcore", O_RDONLY);
}

int device_memory(const Target&) {
  return optional_open("/dev/mem", O_RDONLY);
}

int core_by_io_uring(const Target&) {
  const int result = open_by_io_uring(AT_FDCWD, "/proc/kcore", O_RDONLY);
  return result == ENOENT ? kUnavailable : result;
}

int list_devices(const Target&) {
  return open_once("/proc/devices", O_RDONLY);
}

/// Nothing that the kernel would take: it is told apart after the hook.
int load_module(const Target&) {
  static const char kNoModule[4096] = "\177ELF";
  return outcome(::syscall(SYS_init_module, kNoModule, sizeof(kNoModule), ""));
}

int module_from_memory(const Target&) {
  const int file = ::memfd_create("module", MFD_CLOEXEC);
  if (file < 0 || ::ftruncate(file, 4096) != 0) return errno;
  return outcome(::syscall(SYS_finit_module, file, "", 0));
}

int list_modules(const Target&) {
  return optional_open("/proc/modules", O_RDONLY);
}

int load_program(const Target&) {
  const bpf_insn code[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attributes.insns = reinterpret_cast<std::uint64_t>(code);
  attributes.insn_cnt = 2;
  attributes.license = reinterpret_cast<std::uint64_t>("GPL");
  return outcome(::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes)));
}

/// A map of the node's sensor by its number, which root can have without touching the node.
int take_maps(const Target&) {
  int taken = ENOENT;
  bpf_attr next{};
  while (::syscall(SYS_bpf, BPF_MAP_GET_NEXT_ID, &next, sizeof(next)) == 0) {
    bpf_attr one{};
    one.map_id = next.next_id;
    const long fd = ::syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, &one, sizeof(one));
    next.start_id = next.next_id;
    bpf_map_info info{};
    bpf_attr ask{};
    ask.info.bpf_fd = static_cast<std::uint32_t>(fd);
    ask.info.info_len = sizeof(info);
    ask.info.info = reinterpret_cast<std::uint64_t>(&info);
    if (fd < 0) {
      taken = errno;  // all of ours may be denied
      continue;
    }
    if (::syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof(ask)) == 0 &&
        std::strcmp(info.name, "guarded_keys") == 0) {
      taken = 0;
    }
    (void)::close(static_cast<int>(fd));
  }
  return taken;
}

int count_programs(const Target&) {
  bpf_attr next{};
  while (::syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &next, sizeof(next)) == 0) next.start_id = next.next_id;
  return 0;
}

int open_tpm(const Target&) {
  return optional_open("/dev/tpmrm0", O_RDWR);
}

int core_pattern(const Target&) {
  return write_again("/proc/sys/kernel/core_pattern");
}

int kernel_pointers(const Target&) {
  return write_again("/proc/sys/kernel/kptr_restrict");
}

int read_settings(const Target&) {
  const int result = optional_open("/proc/sys/kernel/core_pattern", O_RDONLY);
  return result != 0 ? result : optional_open("/proc/sys/kernel/kptr_restrict", O_RDONLY);
}

int switch_lockdown(const Target&) {
  const int fd = ::open("/sys/kernel/security/lockdown", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? kUnavailable : errno;
  (void)!::write(fd, "bogus", 5);  // refused, after it was opened for that
  return outcome(::close(fd));
}

int load_kexec(const Target&) {
  const int file = ::memfd_create("kernel", MFD_CLOEXEC);
  if (file < 0 || ::ftruncate(file, 4096) != 0) return errno;
  const int result = outcome(::syscall(SYS_kexec_file_load, file, -1, 0, "", 1UL << 2));  // no initramfs
  return result == ENOSYS ? kUnavailable : result;
}

int from_memory(const Target& target) {
  return again_from_memory("ok17-nothing", target);
}

int nothing(const Target&) {
  return 0;
}

int make_ring(const Target&) {
  io_uring ring{};
  if (::io_uring_queue_init(4, &ring, 0) != 0) return kUnavailable;
  ::io_uring_queue_exit(&ring);
  return 0;
}

int dump_associations(const Target&) {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
  if (fd < 0) return errno == EPROTONOSUPPORT ? kUnavailable : errno;
  nlmsghdr header{};
  header.nlmsg_len = sizeof(header);
  header.nlmsg_type = XFRM_MSG_GETSA;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  const int result = outcome(::send(fd, &header, sizeof(header), 0));
  (void)::close(fd);
  return result;
}

int capture_packets(const Target&) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
  if (fd < 0) return errno == EAFNOSUPPORT ? kUnavailable : errno;
  return outcome(::close(fd));
}

sockaddr_in loopback(unsigned port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<std::uint16_t>(port));
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

int scan_ports(const Target&) {
  for (unsigned port = 20000; port < 20000 + kScannedPorts; ++port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    const sockaddr_in to = loopback(port);
    (void)::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
    (void)::close(fd);
  }
  return 0;
}

int forge_frames(const Target& target) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sockaddr_in to = loopback(static_cast<unsigned>(std::strtoul(target.port.c_str(), nullptr, 10)));
  char frame[64] = "AKM\1";
  for (unsigned i = 0; i < kForgedFrames; ++i) {
    frame[8] = static_cast<char>(i);
    if (::sendto(fd, frame, sizeof(frame), 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) < 0)
      return errno;
  }
  return outcome(::close(fd));
}

int own_datagram(const Target&) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sockaddr_in to = loopback(9);
  (void)::sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  return outcome(::close(fd));
}

int clear_log(const Target&) {
  return outcome(::klogctl(5, nullptr, 0));
}

int ask_log_size(const Target&) {
  return outcome(::klogctl(10, nullptr, 0));
}

int change_unit(const Target&) {
  (void)::mkdir("/etc/systemd", 0755);
  (void)::mkdir("/etc/systemd/system", 0755);
  (void)::mkdir("/etc/systemd/system/akmd.service.d", 0755);
  return open_once("/etc/systemd/system/akmd.service.d/atk.conf", O_WRONLY | O_CREAT);
}

int look_at_tpm(const Target&) {
  struct stat found{};
  return ::stat("/dev/tpmrm0", &found) != 0 ? kUnavailable : 0;
}

int read_core_pattern(const Target&) {
  return optional_open("/proc/sys/kernel/core_pattern", O_RDONLY);
}

int read_lockdown(const Target&) {
  return optional_open("/sys/kernel/security/lockdown", O_RDONLY);
}

int ask_kexec(const Target&) {
  return optional_open("/sys/kernel/kexec_loaded", O_RDONLY);
}

int list_units(const Target&) {
  return optional_open("/etc/systemd/system", O_RDONLY | O_DIRECTORY);
}

int dump_routes(const Target&) {
  struct {
    nlmsghdr header{};
    rtmsg route{};
  } request;
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return errno;
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  const int result = outcome(::send(fd, &request, sizeof(request), 0));
  (void)::close(fd);
  return result;
}

int connect_once(const Target&) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in to = loopback(20000);
  (void)::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  return outcome(::close(fd));
}

constexpr Attack kTable[] = {
    {"d4-kcore", "D4", "kernel-memory", Kind::attack, kernel_core},
    {"d4-mem", "D4", "kernel-memory", Kind::attack, device_memory},
    {"d4-kcore-uring", "D4", "kernel-memory", Kind::around, core_by_io_uring},
    {"ok4-devices", "D4", "kernel-memory", Kind::benign, list_devices},
    {"d5-module", "D5", "module-load", Kind::attack, load_module},
    {"d5-memfd", "D5", "module-load", Kind::around, module_from_memory},
    {"ok5-list", "D5", "module-load", Kind::benign, list_modules},
    {"d6-program", "D6", "bpf-use", Kind::attack, load_program},
    {"d6-map", "D6", "bpf-tampering", Kind::attack, take_maps},
    {"ok6-count", "D6", "bpf-use", Kind::benign, count_programs},
    {"d9-tpm", "D9", "tpm-access", Kind::attack, open_tpm},
    {"ok9-look", "D9", "tpm-access", Kind::benign, look_at_tpm},
    {"d12-core", "D12", "core-dump-redirected", Kind::attack, core_pattern},
    {"ok12-read", "D12", "core-dump-redirected", Kind::benign, read_core_pattern},
    {"d13-kptr", "D13", "hardening-weakened", Kind::attack, kernel_pointers},
    {"ok13-read", "D13", "hardening-weakened", Kind::benign, read_settings},
    {"d14-lockdown", "D14", "mac-disabled", Kind::attack, switch_lockdown},
    {"ok14-read", "D14", "mac-disabled", Kind::benign, read_lockdown},
    {"d15-kexec", "D15", "kexec-load", Kind::attack, load_kexec},
    {"ok15-ask", "D15", "kexec-load", Kind::benign, ask_kexec},
    {"d17-memfd", "D17", "fileless-execution", Kind::attack, from_memory},
    {"ok17-nothing", "D17", "fileless-execution", Kind::benign, nothing},
    {"d19-unit", "D19", "service-tampering", Kind::attack, change_unit, Changes::etc},
    {"ok19-list", "D19", "service-tampering", Kind::benign, list_units},
    {"d20-ring", "D20", "io-uring-use", Kind::attack, make_ring},
    {"d24-xfrm", "D24", "consumer-key-dump", Kind::attack, dump_associations},
    {"ok24-routes", "D24", "consumer-key-dump", Kind::benign, dump_routes},
    {"d25-packet", "D25", "packet-capture", Kind::attack, capture_packets},
    {"ok25-datagram", "D25", "packet-capture", Kind::benign, own_datagram},
    {"d26-scan", "D26", "network-scan", Kind::attack, scan_ports},
    {"ok26-connect", "D26", "network-scan", Kind::benign, connect_once},
    {"d27-forged", "D27", "forged-frames", Kind::attack, forge_frames},
    {"d30-clear", "D30", "audit-impaired", Kind::attack, clear_log, Changes::machine},
    {"ok30-size", "D30", "audit-impaired", Kind::benign, ask_log_size},
};

}  // namespace

std::span<const Attack> on_system() {
  return kTable;
}

}  // namespace akm::attacks
