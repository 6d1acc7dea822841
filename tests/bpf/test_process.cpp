// D2: foreign access to our process, by every way that the tier claims to see.
#include <fcntl.h>
#include <liburing.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <atomic>
#include <thread>

#include "tests/bpf/harness.h"

using namespace akm::bpf;
using namespace akm::bpf::test;

namespace {

pid_t ours = 0;
char some_memory[16] = "not a secret";

int open_pidfd(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

int ptrace_attach() {
  if (::ptrace(PTRACE_SEIZE, ours, nullptr, nullptr) != 0) return 1;
  return 0;  // the end of the child detaches
}

int vm_read() {
  char room[16];
  const iovec local{room, sizeof(room)};
  const iovec remote{some_memory, sizeof(some_memory)};
  return ::process_vm_readv(ours, &local, 1, &remote, 1, 0) > 0 ? 0 : 1;
}

int vm_write() {
  char room[1] = {'n'};
  const iovec local{room, sizeof(room)};
  const iovec remote{some_memory, 1};
  return ::process_vm_writev(ours, &local, 1, &remote, 1, 0) == 1 ? 0 : 1;
}

int getfd() {
  return ::syscall(SYS_pidfd_getfd, open_pidfd(ours), 0, 0) >= 0 ? 0 : 1;
}

int open_mem(const std::string& path) {
  return ::open(path.c_str(), O_RDONLY) >= 0 ? 0 : 1;
}

int open_mem_relative() {
  if (::chdir(("/proc/" + std::to_string(ours)).c_str()) != 0) return 2;
  return open_mem("mem");
}

int open_mem_by_descriptor() {
  const int folder = ::open(("/proc/" + std::to_string(ours)).c_str(), O_PATH);
  return ::openat(folder, "mem", O_RDWR) >= 0 ? 0 : 1;
}

int open_mem_by_symlink() {
  const std::string name = "/tmp/akm-bpf-link-" + std::to_string(::getpid());
  if (::symlink(("/proc/" + std::to_string(ours) + "/mem").c_str(), name.c_str()) != 0) return 2;
  const int result = open_mem(name);
  (void)::unlink(name.c_str());
  return result;
}

int open_by_io_uring(const std::string& path) {
  io_uring ring{};
  if (::io_uring_queue_init(4, &ring, 0) != 0) return 77;
  io_uring_sqe* sqe = ::io_uring_get_sqe(&ring);
  ::io_uring_prep_openat(sqe, AT_FDCWD, path.c_str(), O_RDONLY, 0);
  (void)::io_uring_submit(&ring);
  io_uring_cqe* cqe = nullptr;
  (void)::io_uring_wait_cqe(&ring, &cqe);
  return cqe->res >= 0 ? 0 : 1;
}

void seen(ProbeSet& probes, const char* operation, const char* what, const std::function<int()>& act) {
  const int code = in_child(act);
  const auto records = drain(probes);
  const ProbeRecord* record = find(records, Watch::process, operation);
  expect(code == 0 && record != nullptr && record->outcome == Outcome::succeeded, what);
  if (code != 0 || record == nullptr) {
    std::printf("# child said %d\n", code);
    print(records);
  }
}

void other_thread(ProbeSet& probes) {
  std::atomic<pid_t> thread_id = 0;
  std::atomic<bool> stop = false;
  std::thread thread([&] {
    thread_id = ::gettid();
    while (!stop) ::usleep(1000);
  });
  while (thread_id == 0) ::usleep(1000);
  (void)probes.check([](const ProbeRecord&) {});
  const std::string base = "/proc/" + std::to_string(ours) + "/task/" + std::to_string(thread_id) + "/mem";
  seen(probes, "open-proc-mem", "memory by the name of another thread", [&] { return open_mem(base); });
  const pid_t target = thread_id;
  seen(probes, "ptrace-seize", "ptrace of another thread of ours",
       [target] { return ::ptrace(PTRACE_SEIZE, target, nullptr, nullptr) == 0 ? 0 : 1; });
  stop = true;
  thread.join();
}

void by_io_uring(ProbeSet& probes) {
  const int code = in_child([] { return open_by_io_uring("/proc/" + std::to_string(ours) + "/mem"); });
  if (code == 77) {
    std::printf("# io_uring is forbidden here: not tested\n");
    return;
  }
  const auto records = drain(probes);
  const ProbeRecord* record = find(records, Watch::process, "io-uring-open");
  expect(record != nullptr && record->outcome == Outcome::unknown, "io_uring open is seen as an attempt");
  (void)in_child([] { return open_by_io_uring("/proc/" + std::to_string(ours) + "/task/1/status"); });
  expect(drain(probes).empty(), "another file of our /proc folder by io_uring gives no record");
}

void refused(ProbeSet& probes) {
  (void)in_child([] {
    if (::setuid(65534) != 0) return 2;
    return vm_read();
  });
  const auto records = drain(probes);
  const ProbeRecord* record = find(records, Watch::process, "process-vm-readv");
  expect(record != nullptr && record->outcome == Outcome::refused, "a refused read is told as refused");
}

void noise(ProbeSet& probes) {
  expect(open_mem("/proc/self/mem") == 0, "we open our own memory");
  expect(vm_read() == 0, "we read our own memory");
  expect(drain(probes).empty(), "our own accesses give no record");
  (void)in_child([] { return open_mem("/proc/self/mem"); });
  (void)in_child([] { return open_mem("/proc/" + std::to_string(ours) + "/status"); });
  expect(drain(probes).empty(), "other processes' memory and our other /proc files give no record");
}

}  // namespace

int main() {
  const auto probes = open_or_skip({});
  ours = ::getpid();
  const std::string mem = "/proc/" + std::to_string(ours) + "/mem";
  seen(*probes, "ptrace-seize", "ptrace", ptrace_attach);
  seen(*probes, "process-vm-readv", "process_vm_readv", vm_read);
  seen(*probes, "process-vm-writev", "process_vm_writev", vm_write);
  seen(*probes, "pidfd-getfd", "pidfd_getfd", getfd);
  seen(*probes, "open-proc-mem", "/proc/PID/mem, absolute", [&] { return open_mem(mem); });
  seen(*probes, "open-proc-mem", "/proc/PID/mem, relative", open_mem_relative);
  seen(*probes, "open-proc-mem", "/proc/PID/mem, by a folder's descriptor", open_mem_by_descriptor);
  seen(*probes, "open-proc-mem", "/proc/PID/mem, by a symbolic link", open_mem_by_symlink);
  other_thread(*probes);
  by_io_uring(*probes);
  refused(*probes);
  noise(*probes);
  return finish();
}
