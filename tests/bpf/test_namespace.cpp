// A daemon in a pid namespace of its own (a container), and somebody outside it: numbers differ, the process
// is the same.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include <array>

#include "tests/bpf/harness.h"

using namespace akm::bpf;
using namespace akm::bpf::test;

namespace {

char some_memory[16] = "not a secret";

struct Pipe {
  std::array<int, 2> ends{-1, -1};
  Pipe() {
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
  }
  void tell() const { (void)!::write(ends[1], "x", 1); }
  void wait() const {
    char c = 0;
    (void)!::read(ends[0], &c, 1);
  }
};

/// The daemon: number 1 of its namespace, with a /proc that shows it.
int daemon_in_namespace(const Pipe& ready, const Pipe& attacked) {
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("proc", "/proc", "proc", 0, nullptr) != 0) {
    return 77;
  }
  const auto probes = open_or_skip({});
  ready.tell();
  attacked.wait();
  const auto records = drain(*probes);
  print(records);
  expect(::getpid() == 1, "the daemon is number 1 of its namespace");
  for (const char* operation : {"ptrace-seize", "process-vm-readv", "open-proc-mem"}) {
    const ProbeRecord* record = find(records, Watch::process, operation);
    expect(record != nullptr && record->outcome == Outcome::succeeded,
           std::string(operation) + " from outside is seen");
  }
  expect(records.size() == 3, "and nothing else");
  expect(::open("/proc/self/mem", O_RDONLY) >= 0 && drain(*probes).empty(),
         "its own accesses are still its own");
  std::fflush(stdout);
  return failures == 0 ? 0 : 1;
}

int attack(pid_t target) {
  char room[16];
  const iovec local{room, sizeof(room)};
  const iovec remote{some_memory, sizeof(some_memory)};
  int done = ::process_vm_readv(target, &local, 1, &remote, 1, 0) > 0 ? 1 : 0;
  done += ::open(("/proc/" + std::to_string(target) + "/mem").c_str(), O_RDONLY) >= 0 ? 1 : 0;
  done += ::ptrace(PTRACE_SEIZE, target, nullptr, nullptr) == 0 ? 1 : 0;
  // Our own number 1 has the daemon's number, and is another process.
  (void)::open("/proc/1/mem", O_RDONLY);
  return done == 3 ? 0 : 1;
}

}  // namespace

int main() {
  (void)open_or_skip({});
  const Pipe ready;
  const Pipe attacked;
  if (::unshare(CLONE_NEWPID) != 0) {
    std::printf("skipped: no pid namespace may be made here\n");
    return 77;
  }
  std::fflush(stdout);
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    if (::unshare(CLONE_NEWNS) != 0) ::_exit(77);
    const int code = daemon_in_namespace(ready, attacked);
    if (code == 77) ready.tell();
    ::_exit(code);
  }
  ready.wait();
  // A sibling made now would be in the daemon's namespace; we are outside and do it ourselves.
  expect(attack(daemon) == 0, "the attacker outside succeeded");
  attacked.tell();
  int status = 0;
  (void)::waitpid(daemon, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    std::printf("skipped: no /proc may be mounted here\n");
    return 77;
  }
  expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the daemon saw all of it");
  return finish();
}
