// A flood of harmless records must not hide one that is critical, and what was made is what was read and what
// was counted as lost.
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/bpf/harness.h"

using namespace akm::bpf;
using namespace akm::bpf::test;

namespace {

constexpr std::chrono::seconds kFlood{1};
constexpr std::chrono::seconds kFloodMost{60};  // where a machine makes few in a second
constexpr int kThreads = 2;
constexpr std::uint64_t kFloodOf = 1000;

/// Sockets of others' packets: evidence, as many as two threads can ask for in a second, or in as many as it
/// takes to make a flood of them. As nobody, whom the kernel refuses them, there are more.
int flood(bool refused) {
  if (refused && ::setresuid(65534, 65534, 65534) != 0) return 2;
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> made = 0;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        const int fd = ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1);
        if (fd >= 0) (void)::close(fd);
        ++made;
      }
    });
  }
  const auto began = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(kFlood);
  while (made <= kFloodOf && std::chrono::steady_clock::now() - began < kFloodMost)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  std::printf("# %llu %s sockets\n", static_cast<unsigned long long>(made.load()),
              refused ? "refused" : "opened");
  std::fflush(stdout);
  return made > kFloodOf ? 0 : 1;
}

int read_key(std::int32_t key) {
  char room[16];
  return ::syscall(SYS_keyctl, KEYCTL_READ, key, room, sizeof(room)) == 6 ? 0 : 1;
}

std::uint64_t counter(const ProbeSet& probes, const std::string& name) {
  const auto all = probes.counters();
  const auto found = all.find(name);
  return found == all.end() ? 0 : found->second;
}

struct Packets {
  std::uint64_t made = 0;
  std::uint64_t lost = 0;
  bool operator==(const Packets&) const = default;
};

Packets packets(const ProbeSet& probes) {
  return {counter(probes, "probe_made_packet"), counter(probes, "probe_lost_packet")};
}

/// At a moment when none waits to be read: others on this machine make such records too.
Packets packets_all_read(ProbeSet& probes) {
  for (;;) {
    const Packets now = packets(probes);
    const auto records = drain_all(probes);
    const bool waited =
        std::ranges::any_of(records, [](const ProbeRecord& record) { return record.watch == Watch::packet; });
    if (!waited && packets(probes) == now) return now;
  }
}

/// Nobody reads while the flood lasts: the rings are as full as it can make them.
void one_in_a_flood(ProbeSet& probes, std::int32_t key, bool refused) {
  std::fflush(stdout);
  const Packets before = packets_all_read(probes);
  const auto began = std::chrono::steady_clock::now();
  const pid_t flooder = ::fork();
  if (flooder == 0) ::_exit(flood(refused));
  ::usleep(500000);
  expect(in_child([key] { return read_key(key); }) == 0, "in the middle of the flood a child reads the key");
  int status = 0;
  (void)::waitpid(flooder, &status, 0);
  expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it was a flood");
  const auto lasted =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - began);

  std::size_t critical = 0;
  std::size_t harmless = 0;
  std::uint64_t made = 0;
  std::uint64_t lost = 0;
  // Who else makes such a record on this machine may be between it and its count.
  for (int left = 100; left > 0 && (made == 0 || made != harmless + lost); --left) {
    if (made != 0) ::usleep(10000);
    for (const ProbeRecord& record : drain_all(probes)) {
      critical += record.watch == Watch::key && !is_asked(record) ? 1U : 0U;
      harmless += record.watch == Watch::packet ? 1U : 0U;
    }
    const Packets after = packets(probes);
    made = after.made - before.made;
    lost = after.lost - before.lost;
  }
  std::printf("# made %llu, read %zu, counted as lost %llu\n", static_cast<unsigned long long>(made),
              harmless, static_cast<unsigned long long>(lost));
  expect(critical == 1, "the one critical record is found");
  // Those of a second at once, and more with each that it lasted; by far not as many as it made.
  expect(harmless > 0 && harmless < 250U * (1U + static_cast<std::size_t>(lasted.count())),
         "the source had its tokens and no more");
  expect(made == harmless + lost, "what was made is what was read and what was lost");
}

/// A process that opens our memory again and again: neither its own use of a key nor what another does to our
/// memory is crowded out, though nobody reads meanwhile.
void one_among_many_critical(ProbeSet& probes, std::int32_t key) {
  constexpr int kAgain = 2000;
  const std::string memory = "/proc/" + std::to_string(::getpid()) + "/mem";
  const auto open_memory = [&memory](int times) {
    for (int i = 0; i < times; ++i) {
      const int fd = ::open(memory.c_str(), O_RDONLY | O_CLOEXEC);
      if (fd < 0 || ::close(fd) != 0) return 1;
    }
    return 0;
  };
  const std::uint64_t made_before = counter(probes, "probe_made_process");
  const std::uint64_t lost_before = counter(probes, "probe_lost_process");
  pid_t first = 0;
  pid_t second = 0;
  expect(in_child([&] { return open_memory(kAgain) + read_key(key); }, &first) == 0,
         "one opens our memory often");
  expect(in_child([&] { return open_memory(1); }, &second) == 0, "another once");
  std::size_t of_memory = 0;
  bool of_key = false;
  bool of_second = false;
  for (const ProbeRecord& record : drain_all(probes)) {
    of_memory += record.watch == Watch::process ? 1U : 0U;
    of_key = of_key || (record.watch == Watch::key && record.tgid == static_cast<std::uint32_t>(first));
    of_second = of_second || record.tgid == static_cast<std::uint32_t>(second);
  }
  const std::uint64_t made = counter(probes, "probe_made_process") - made_before;
  const std::uint64_t lost = counter(probes, "probe_lost_process") - lost_before;
  std::printf("# of %llu records %zu were told\n", static_cast<unsigned long long>(made), of_memory);
  expect(of_key, "what it does to a key is told");
  expect(of_second, "what another does is told");
  expect(made >= kAgain && made == of_memory + lost, "what was made is what was read and what was left out");
}

/// Another source still has its own tokens.
bool another_is_told(ProbeSet& probes) {
  (void)drain_all(probes);
  const int code = in_child([] {
    const pid_t flooder = ::fork();
    if (flooder == 0) ::_exit(flood(false));
    ::usleep(200000);
    if (::setresuid(65534, 65534, 65534) != 0) return 2;
    const int result = read_key(1) == 0 ? 1 : 0;  // not a key of ours: nothing
    (void)::socket(AF_PACKET, SOCK_RAW, 0);       // refused, and told
    (void)::waitpid(flooder, nullptr, 0);
    return result;
  });
  expect(code == 0, "another user reads a key that is not ours");
  bool told = false;
  for (const ProbeRecord& record : drain_all(probes))
    told = told || (record.watch == Watch::packet && record.uid == 65534U);
  return told;
}

void another_source(ProbeSet& probes) {
  bool told = false;
  // Whoever else is at work on this machine may fill half the ring before a slow child comes to its attempt.
  for (int left = 5; left > 0 && !told; --left) told = another_is_told(probes);
  expect(told, "a record of another user is not crowded out");
}

}  // namespace

int main() {
  const auto probes = open_or_skip({});
  (void)::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  const auto key = static_cast<std::int32_t>(
      ::syscall(SYS_add_key, "user", "akm-flood", "secret", 6, KEY_SPEC_SESSION_KEYRING));
  if (key <= 0) {
    std::printf("skipped: no kernel keyring here\n");
    return 77;
  }
  const std::int32_t guarded[] = {key};
  expect(probes->guard_keys(guarded, 0).has_value(), "guard the key");
  one_in_a_flood(*probes, key, false);
  one_in_a_flood(*probes, key, true);
  one_among_many_critical(*probes, key);
  another_source(*probes);
  return finish();
}
