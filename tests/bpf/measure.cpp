// Not a test: prints how long a record takes from the system call to us, beside a bare ring-buffer reader on
// the same programs, and what the probes cost calls that touch nothing of ours. Rounds are interleaved;
// medians and ratios count.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "bpf/include/akm_events.h"
#include "bpf/loader/probe_object.h"
#include "bpf/loader/self_identity.h"
#include "tests/bpf/harness.h"
#include "tests/bpf/peers.h"

using namespace akm;
using namespace akm::bpf;
using namespace akm::bpf::test;

namespace {

constexpr int kRounds = 7;
constexpr int kCallsOfRound = 200;
constexpr useconds_t kPause_us = 1000;  // lets the reader go back to sleep: the wake-up is what is measured

std::int32_t key = 0;

void read_key() {
  char room[16];
  (void)::syscall(SYS_keyctl, KEYCTL_READ, key, room, sizeof(room));
}

void read_key_slowly() {
  for (int i = 0; i < kCallsOfRound; ++i) {
    ::usleep(kPause_us);
    read_key();
  }
}

using Times = std::vector<double>;

double quantile(Times times, double q) {
  if (times.empty()) return 0;
  std::ranges::sort(times);
  return times[static_cast<std::size_t>(q * static_cast<double>(times.size() - 1))];
}

double since_us(std::uint64_t boottime_ns) {
  return static_cast<double>(boottime_now().ns - static_cast<std::int64_t>(boottime_ns)) / 1000;
}

int take_bare(void* context, void* data, size_t) noexcept {
  akm_event event;
  std::memcpy(&event, data, sizeof(event));
  if (event.watch == AKM_WATCH_KEY) static_cast<Times*>(context)->push_back(since_us(event.boottime_ns));
  return 0;
}

/// Runs the reader while a child touches the key; `read` returns whether all records came.
void while_child_reads(const std::function<bool()>& read) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    read_key_slowly();
    ::_exit(0);
  }
  while (!read()) {
  }
  (void)::waitpid(child, nullptr, 0);
}

Times bare_round() {
  Times times;
  const auto identity = self_identity();
  auto object =
      ProbeObject::load({.ring_bytes = 256 * 1024, .critical_ring_bytes = 256 * 1024, .refused = {}});
  if (!object || !(*object)->attach()) return times;
  akm_control control{};
  tell(*identity, control);
  const std::uint32_t zero = 0;
  (void)bpf_map_update_elem((*object)->map_fd("control"), &zero, &control, BPF_ANY);
  const std::uint8_t kind = AKM_GUARDED_KEY;
  (void)bpf_map_update_elem((*object)->map_fd("guarded_keys"), &key, &kind, BPF_ANY);
  ring_buffer* ring = ring_buffer__new((*object)->map_fd("critical_ring"), &take_bare, &times, nullptr);
  while_child_reads([&] {
    (void)ring_buffer__poll(ring, 1000);
    return times.size() >= kCallsOfRound;
  });
  ring_buffer__free(ring);
  return times;
}

Times akm_round() {
  Times times;
  auto probes = ProbeSet::open({});
  if (!probes) return times;
  const std::int32_t guarded[] = {key};
  (void)(*probes)->guard_keys(guarded, 0);
  while_child_reads([&] {
    pollfd poll{(*probes)->fd(), POLLIN, 0};
    (void)::poll(&poll, 1, 1000);
    (void)(*probes)->drain(64, [&](const ProbeRecord& record) {
      if (record.watch == Watch::key)
        times.push_back(since_us(static_cast<std::uint64_t>(record.boottime_ns)));
    });
    return times.size() >= kCallsOfRound;
  });
  return times;
}

void latencies() {
  Times bare, ours, bpftrace, audit;
  for (int round = 0; round < kRounds; ++round) {
    std::ranges::copy(bare_round(), std::back_inserter(bare));
    std::ranges::copy(akm_round(), std::back_inserter(ours));
    std::ranges::copy(bpftrace_round(kCallsOfRound, read_key), std::back_inserter(bpftrace));
    std::ranges::copy(audit_round(kCallsOfRound, read_key), std::back_inserter(audit));
  }
  const double limit = quantile(bare, 0.5);
  const auto print = [&](const char* who, const Times& times) {
    if (times.empty()) {
      std::printf("call to record: %s cannot be had here\n", who);
      return;
    }
    std::printf("call to record: %-18s median %6.1f us (x %.2f of the limit), p99 %6.1f us\n", who,
                quantile(times, 0.5), quantile(times, 0.5) / limit, quantile(times, 0.99));
  };
  print("limit, bare reader", bare);
  print("akm", ours);
  print("bpftrace", bpftrace);
  print("audit", audit);
}

double time_of(int calls, const std::function<void()>& call) {
  const Instant begin = boottime_now();
  for (int i = 0; i < calls; ++i) call();
  return static_cast<double>((boottime_now() - begin).count()) / calls;
}

struct Cost {
  const char* name;
  int calls;
  std::function<void()> call;
};

void open_and_close(const char* path, int flags) {
  const int fd = ::open(path, flags | O_CLOEXEC, 0600);
  if (fd >= 0) (void)::close(fd);
}

void run_true() {
  const pid_t child = ::vfork();
  if (child == 0) {
    ::execl("/bin/true", "true", nullptr);
    ::_exit(1);
  }
  (void)::waitpid(child, nullptr, 0);
}

void costs() {
  const Cost cases[] = {
      {"getppid", 200000, [] { (void)::syscall(SYS_getppid); }},
      {"open for reading + close", 50000, [] { open_and_close("/etc/hostname", O_RDONLY); }},
      {"open for writing + close", 50000, [] { open_and_close("/tmp/akm-bpf-measure", O_WRONLY | O_CREAT); }},
      {"failing unlink", 50000, [] { (void)::unlink("/tmp/akm-bpf-nothing"); }},
      {"run /bin/true", 200, run_true},
      {"compile a small C file", 4,
       [] {
         (void)std::system(
             "echo '#include <stdio.h>\nint main(){puts(\"x\");}' | cc -x c -O1 -o /tmp/akm-bpf-measure.o -c "
             "- 2>/dev/null");
       }},
  };
  for (const Cost& one : cases) {
    std::array<Times, 3> times;
    for (int round = 0; round < kRounds; ++round) {
      std::vector<std::unique_ptr<ProbeSet>> sets;
      for (std::size_t state = 0; state < 3; ++state) {
        const std::size_t wanted = state == 0 ? 0 : state == 1 ? 1 : 5;
        while (sets.size() < wanted) {
          auto probes = ProbeSet::open({});
          if (!probes) return;
          sets.push_back(std::move(*probes));
        }
        times[state].push_back(time_of(one.calls, one.call));
      }
      sets.clear();
      ::sleep(7);  // a kernel worker takes the programs down
    }
    const double without = quantile(times[0], 0.5);
    std::printf("%s, ns: without %.0f; one akmd %.0f (x %.3f); five %.0f (x %.3f)\n", one.name, without,
                quantile(times[1], 0.5), quantile(times[1], 0.5) / without, quantile(times[2], 0.5),
                quantile(times[2], 0.5) / without);
    std::fflush(stdout);
  }
  (void)::unlink("/tmp/akm-bpf-measure");
  (void)::unlink("/tmp/akm-bpf-measure.o");
}

}  // namespace

int main(int argc, char** argv) {
  (void)open_or_skip({});
  (void)::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  key = static_cast<std::int32_t>(
      ::syscall(SYS_add_key, "user", "akm-measure", "secret", 6, KEY_SPEC_SESSION_KEYRING));
  if (argc < 2 || std::strcmp(argv[1], "costs") != 0) latencies();
  if (argc < 2 || std::strcmp(argv[1], "latency") != 0) costs();
  return 0;
}
