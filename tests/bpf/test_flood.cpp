// A flood of harmless records must not hide one that is critical, and what was made is what was read and what
// was counted as lost.
#include <linux/keyctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/bpf/harness.h"

using namespace akm::bpf;
using namespace akm::bpf::test;

namespace {

constexpr std::chrono::seconds kFlood{1};
constexpr int kThreads = 2;

/// Sockets of others' packets: evidence, as many as two threads can open in a second.
int flood() {
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> made = 0;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        const int fd = ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1);
        if (fd >= 0) (void)::close(fd);
        made += fd >= 0 ? 1U : 0U;
      }
    });
  }
  std::this_thread::sleep_for(kFlood);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  std::printf("# %llu sockets in a second\n", static_cast<unsigned long long>(made.load()));
  std::fflush(stdout);
  return made > 1000 ? 0 : 1;
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

/// Nobody reads while the flood lasts: the rings are as full as it can make them.
void one_in_a_flood(ProbeSet& probes, std::int32_t key) {
  std::fflush(stdout);
  const std::uint64_t made_before = counter(probes, "probe_made_packet");
  const std::uint64_t lost_before = counter(probes, "probe_lost_packet");
  const pid_t flooder = ::fork();
  if (flooder == 0) ::_exit(flood());
  ::usleep(500000);
  expect(in_child([key] { return read_key(key); }) == 0, "in the middle of the flood a child reads the key");
  int status = 0;
  (void)::waitpid(flooder, &status, 0);
  expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it was a flood");

  std::size_t critical = 0;
  std::size_t harmless = 0;
  for (const ProbeRecord& record : drain_all(probes)) {
    critical += record.watch == Watch::key ? 1U : 0U;
    harmless += record.watch == Watch::packet ? 1U : 0U;
  }
  const std::uint64_t made = counter(probes, "probe_made_packet") - made_before;
  const std::uint64_t lost = counter(probes, "probe_lost_packet") - lost_before;
  std::printf("# made %llu, read %zu, counted as lost %llu\n", static_cast<unsigned long long>(made),
              harmless, static_cast<unsigned long long>(lost));
  expect(critical == 1, "the one critical record is found");
  expect(harmless > 0 && harmless < 500, "the source had its tokens and no more");
  expect(made == harmless + lost, "what was made is what was read and what was lost");
}

/// Another source still has its own tokens.
void another_source(ProbeSet& probes) {
  (void)drain_all(probes);
  const int code = in_child([] {
    const pid_t flooder = ::fork();
    if (flooder == 0) ::_exit(flood());
    ::usleep(200000);
    if (::setresuid(65534, 65534, 65534) != 0) return 2;
    const int result = read_key(1) == 0 ? 1 : 0;  // not a key of ours: nothing
    (void)::socket(AF_PACKET, SOCK_RAW, 0);       // refused, and told
    (void)::waitpid(flooder, nullptr, 0);
    return result;
  });
  bool told = false;
  for (const ProbeRecord& record : drain_all(probes))
    told = told || (record.watch == Watch::packet && record.uid == 65534U);
  expect(code == 0 && told, "a record of another user is not crowded out");
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
  one_in_a_flood(*probes, key);
  another_source(*probes);
  return finish();
}
