#include "tests/bpf/peers.h"

#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "daemon/base/instant.h"
#include "daemon/base/unique_fd.h"

namespace akm::bpf::test {
namespace {

constexpr const char* kComm = "akm-measured";
constexpr const char* kAuditKey = "akm-measure";
constexpr useconds_t kPause_us = 1000;  // as in measure.cpp: the reader goes back to sleep
constexpr int kWait_ms = 5000;

double us_since(std::int64_t boottime_ns) {
  return static_cast<double>(boottime_now().ns - boottime_ns) / 1000;
}

pid_t in_named_child(const std::function<void()>& act) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child != 0) return child;
  (void)::prctl(PR_SET_NAME, kComm);
  act();
  ::_exit(0);
}

/// The rule of auditctl -a exit,always -S keyctl -F key=akm-measure, added or deleted; and the switch of
/// audit.
class Audit {
 public:
  Audit() : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT)) {
    sockaddr_nl own{};
    own.nl_family = AF_NETLINK;
    own.nl_groups = 1U << (AUDIT_NLGRP_READLOG - 1);
    if (fd_.get() < 0 || ::bind(fd_.get(), reinterpret_cast<sockaddr*>(&own), sizeof(own)) != 0) return;
    was_on_ = is_on();
    works_ = rule(AUDIT_ADD_RULE) && enable(1);
  }
  ~Audit() {
    if (fd_.get() < 0) return;
    (void)rule(AUDIT_DEL_RULE);
    if (!was_on_) (void)enable(0);
  }
  Audit(const Audit&) = delete;
  Audit& operator=(const Audit&) = delete;
  [[nodiscard]] bool works() const { return works_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  bool send(std::uint16_t type, const void* body, std::size_t bytes) {
    std::vector<char> room(NLMSG_SPACE(bytes));
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(bytes));
    header.nlmsg_type = type;
    header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    std::memcpy(room.data(), &header, sizeof(header));
    std::memcpy(room.data() + NLMSG_HDRLEN, body, bytes);
    if (::send(fd_.get(), room.data(), header.nlmsg_len, 0) < 0) return false;
    std::array<char, 9000> answer;
    while (::recv(fd_.get(), answer.data(), answer.size(), 0) > 0) {
      nlmsghdr got;
      std::memcpy(&got, answer.data(), sizeof(got));
      if (got.nlmsg_type != NLMSG_ERROR) continue;  // a record that was on its way
      nlmsgerr error;
      std::memcpy(&error, answer.data() + NLMSG_HDRLEN, sizeof(error));
      return error.error == 0;
    }
    return false;
  }
  bool rule(std::uint16_t type) {
    const std::size_t key_bytes = std::strlen(kAuditKey);
    std::vector<char> room(sizeof(audit_rule_data) + key_bytes);
    audit_rule_data data{};
    data.flags = AUDIT_FILTER_EXIT;
    data.action = AUDIT_ALWAYS;
    data.mask[AUDIT_WORD(SYS_keyctl)] = AUDIT_BIT(SYS_keyctl);
    data.field_count = 2;
    data.fields[0] = AUDIT_ARCH;
    data.values[0] = AUDIT_ARCH_X86_64;
    data.fieldflags[0] = AUDIT_EQUAL;
    data.fields[1] = AUDIT_FILTERKEY;
    data.values[1] = static_cast<std::uint32_t>(key_bytes);
    data.fieldflags[1] = AUDIT_EQUAL;
    data.buflen = static_cast<std::uint32_t>(key_bytes);
    std::memcpy(room.data(), &data, sizeof(data));
    std::memcpy(room.data() + sizeof(data), kAuditKey, key_bytes);
    return send(type, room.data(), room.size());
  }
  bool is_on() {
    nlmsghdr header{};
    header.nlmsg_len = sizeof(header);
    header.nlmsg_type = AUDIT_GET;
    header.nlmsg_flags = NLM_F_REQUEST;
    if (::send(fd_.get(), &header, sizeof(header), 0) < 0) return true;
    std::array<char, 9000> answer;
    while (::recv(fd_.get(), answer.data(), answer.size(), 0) > 0) {
      std::memcpy(&header, answer.data(), sizeof(header));
      if (header.nlmsg_type != AUDIT_GET) continue;
      audit_status status{};
      std::memcpy(&status, answer.data() + NLMSG_HDRLEN, sizeof(status));
      return status.enabled != 0;
    }
    return true;
  }
  bool enable(std::uint32_t on) {
    audit_status status{};
    status.mask = AUDIT_STATUS_ENABLED;
    status.enabled = on;
    return send(AUDIT_SET, &status, sizeof(status));
  }

  UniqueFd fd_;
  bool was_on_ = true;
  bool works_ = false;
};

}  // namespace

std::vector<double> bpftrace_round(std::size_t calls, const std::function<void()>& attack) {
  std::vector<double> times;
  const std::string command =
      "exec bpftrace -B line -e 'BEGIN { printf(\"ready\\n\"); } tracepoint:syscalls:sys_exit_keyctl /comm "
      "== \"" +
      std::string(kComm) + "\"/ { printf(\"%llu\\n\", nsecs); }' 2>/dev/null & echo $!; wait";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return times;
  std::array<char, 128> line;
  const bool started = std::fgets(line.data(), line.size(), pipe) != nullptr;
  const pid_t tracer = started ? static_cast<pid_t>(std::strtol(line.data(), nullptr, 10)) : 0;
  bool ready = false;
  while (!ready && std::fgets(line.data(), line.size(), pipe) != nullptr)
    ready = std::strncmp(line.data(), "ready", 5) == 0;
  if (ready) {
    const pid_t child = in_named_child([&] {
      for (std::size_t i = 0; i < calls; ++i) {
        ::usleep(kPause_us);
        attack();
      }
    });
    while (times.size() < calls && std::fgets(line.data(), line.size(), pipe) != nullptr) {
      const long long kernel_ns = std::strtoll(line.data(), nullptr, 10);
      if (kernel_ns > 0) times.push_back(us_since(kernel_ns));
    }
    (void)::waitpid(child, nullptr, 0);
  }
  if (tracer > 0) (void)::kill(tracer, SIGTERM);
  (void)::pclose(pipe);
  return times;
}

std::vector<double> audit_round(std::size_t calls, const std::function<void()>& call) {
  std::vector<double> times;
  const Audit audit;
  if (!audit.works()) return times;
  void* const shared = ::mmap(nullptr, calls * sizeof(std::int64_t), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return times;
  auto* const called_ns = static_cast<volatile std::int64_t*>(shared);
  const pid_t child = in_named_child([&] {
    for (std::size_t i = 0; i < calls; ++i) {
      ::usleep(kPause_us);
      called_ns[i] = boottime_now().ns;
      call();
    }
  });
  std::array<char, 9000> room;
  pollfd poll{audit.fd(), POLLIN, 0};
  while (times.size() < calls && ::poll(&poll, 1, kWait_ms) > 0) {
    const ssize_t got = ::recv(audit.fd(), room.data(), room.size() - 1, 0);
    if (got <= static_cast<ssize_t>(NLMSG_HDRLEN)) {
      if (got < 0 && errno == ENOBUFS) continue;
      break;
    }
    room[static_cast<std::size_t>(got)] = 0;
    nlmsghdr header;
    std::memcpy(&header, room.data(), sizeof(header));
    const char* const text = room.data() + NLMSG_HDRLEN;
    if (header.nlmsg_type != AUDIT_SYSCALL || std::strstr(text, kComm) == nullptr) continue;
    times.push_back(us_since(called_ns[times.size()]));
  }
  (void)::waitpid(child, nullptr, 0);
  (void)::munmap(shared, calls * sizeof(std::int64_t));
  return times;
}

}  // namespace akm::bpf::test
