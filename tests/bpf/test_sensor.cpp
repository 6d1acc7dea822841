// D32: lost records are counted and told, a program taken away is noticed, and several sets live side by
// side.
#include <dirent.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <cstring>

#include "tests/bpf/harness.h"

using namespace akm::bpf;
using namespace akm::bpf::test;

namespace {

long keyctl(int command, long a = 0, long b = 0, long c = 0, long d = 0) {
  return ::syscall(SYS_keyctl, command, a, b, c, d);
}

std::int32_t make_key(const char* name) {
  return static_cast<std::int32_t>(
      ::syscall(SYS_add_key, "user", name, "secret", 6, KEY_SPEC_SESSION_KEYRING));
}

int read_key(std::int32_t key, int times) {
  char room[16];
  for (int i = 0; i < times; ++i) {
    if (keyctl(KEYCTL_READ, key, reinterpret_cast<long>(room), sizeof(room)) != 6) return 1;
  }
  return 0;
}

bool is_readable(int fd) {
  pollfd poll{fd, POLLIN, 0};
  return ::poll(&poll, 1, 0) == 1;
}

const SensorFinding* find(const std::vector<SensorFinding>& findings, SensorFinding::Kind kind) {
  for (const SensorFinding& finding : findings) {
    if (finding.kind == kind) return &finding;
  }
  return nullptr;
}

/// A counter that is not there yet has counted nothing.
std::uint64_t counter(const ProbeSet& probes, const std::string& name) {
  const auto all = probes.counters();
  const auto found = all.find(name);
  return found == all.end() ? 0 : found->second;
}

/// How many lost records these findings tell of.
std::uint64_t told_lost(const std::vector<SensorFinding>& findings) {
  std::uint64_t out = 0;
  for (const SensorFinding& finding : findings)
    out += finding.kind == SensorFinding::Kind::records_lost ? finding.count : 0;
  return out;
}

/// Of everything but keys: whoever is at work on this machine fills a small ring too.
std::uint64_t lost_of_others(const ProbeSet& probes) {
  const std::string made = "probe_made_";
  std::uint64_t out = 0;
  for (const auto& [name, count] : probes.counters()) {
    if (name.starts_with(made) && name != "probe_made_key")
      out += counter(probes, "probe_lost_" + name.substr(made.size()));
  }
  return out;
}

void overfilled(std::int32_t key) {
  ProbeOptions options;
  options.ring_bytes = options.critical_ring_bytes = 4096;
  const auto probes = open_or_skip(options);
  const std::int32_t guarded[] = {key};
  (void)probes->guard_keys(guarded, 0);
  const std::uint64_t lost_before = counter(*probes, "probe_lost_key");
  const std::uint64_t made_before = counter(*probes, "probe_made_key");
  // Several, since one of them has only so many tokens.
  for (int i = 0; i < 5; ++i)
    expect(in_child([key] { return read_key(key, 20); }) == 0, "a child reads 20 times");
  std::size_t arrived = 0;
  const auto findings = probes->check(
      [&arrived](const ProbeRecord& record) { arrived += record.watch == Watch::key ? 1U : 0U; });
  const SensorFinding* lost = find(findings, SensorFinding::Kind::records_lost);
  expect(lost != nullptr, "a finding says that records were lost");
  expect(arrived > 0 && arrived < 100, "the rings held some of them");
  const std::uint64_t made = counter(*probes, "probe_made_key") - made_before;
  expect(made >= 100, "each was made");
  expect(counter(*probes, "probe_lost_key") - lost_before == made - arrived, "every loss is counted");
  expect(lost != nullptr && lost->count > 0, "the finding says how many");
  expect(find(findings, SensorFinding::Kind::silent) == nullptr,
         "it is not silent: the second self-probe arrived");
  const std::uint64_t told = told_lost(findings) + told_lost(probes->check([](const ProbeRecord&) {}));
  // What others lost since is told by the second check; the sum does not grow by the loss that was told.
  expect(told <= counter(*probes, "probe_lost_ring_full") + counter(*probes, "probe_lost_critical_limited"),
         "the loss is told once");
}

// Anybody can make attempts that are refused: they must not crowd out what happens.
void refused_flood(std::int32_t key) {
  ProbeOptions options;
  options.ring_bytes = 8192;
  const auto probes = open_or_skip(options);
  const std::int32_t guarded[] = {key};
  (void)probes->guard_keys(guarded, 0);
  const std::uint64_t lost_before = counter(*probes, "probe_lost_key");
  const std::uint64_t made_before = counter(*probes, "probe_made_key");
  std::size_t succeeded = 0;
  std::size_t refused = 0;
  const ProbeSet::RecordHandler handler = [&](const ProbeRecord& record) {
    if (record.watch == Watch::key) ++(record.outcome == Outcome::succeeded ? succeeded : refused);
  };
  const auto kept = [&] { return counter(*probes, "probe_made_key") - counter(*probes, "probe_lost_key"); };
  // Again where others' records had taken the half of the ring that refused attempts may have.
  const std::uint64_t kept_before = kept();
  for (int left = 20; left > 0 && kept() == kept_before; --left) {
    (void)probes->drain(1000, handler);
    (void)in_child([key] {
      if (keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0) < 0 || ::setuid(65534) != 0) return 2;
      for (int i = 0; i < 200; ++i) (void)read_key(key, 1);
      return 0;
    });
  }
  expect(in_child([key] { return read_key(key, 3); }) == 0, "a child reads the key");
  const auto findings = probes->check(handler);
  expect(succeeded >= 3, "what happened still finds room");
  expect(refused > 0 && refused < 200, "some of the refused attempts are told");
  expect(succeeded + refused + counter(*probes, "probe_lost_key") - lost_before ==
             counter(*probes, "probe_made_key") - made_before,
         "the others are counted");
  for (const SensorFinding& finding : findings)
    expect(finding.kind == SensorFinding::Kind::records_lost, "nothing else is found: " + finding.detail);
  expect(told_lost(findings) <= lost_of_others(*probes), "and that is no loss of sight");
}

void budget(std::int32_t key) {
  const auto probes = open_or_skip({});
  const std::int32_t guarded[] = {key};
  (void)probes->guard_keys(guarded, 0);
  expect(!is_readable(probes->fd()), "the descriptor is quiet at first");
  (void)in_child([key] { return read_key(key, 10); });
  expect(is_readable(probes->fd()), "and readable after a critical record");
  std::size_t count = 0;
  std::size_t of_others = 0;  // who did something else on this machine meanwhile
  const auto handler = [&](const ProbeRecord& record) { ++(record.watch == Watch::key ? count : of_others); };
  auto drained = probes->drain(4, handler);
  expect(drained.records == 4 && drained.more && count + of_others == 4, "the budget ends a drain");
  drained = probes->drain(2000, handler);  // more than the rings hold: others' records too
  expect(drained.records >= 6 && !drained.more && count >= 10, "the rest comes with the next");
  expect(probes->drain(0, handler).records == 0, "a budget of nothing takes nothing");
}

/// Removes the pinned links of this process, as an intruder with pidfd_getfd or a debugger could. Links that
/// could not be pinned have descriptors instead.
int take_links() {
  int taken = 0;
  DIR* dir = ::opendir("/proc/self/fd");
  while (const dirent* entry = ::readdir(dir)) {
    const int fd = std::atoi(entry->d_name);
    struct statfs fs{};
    char target[64] = {};
    if (::fstatfs(fd, &fs) == 0 && fs.f_type == 0xcafe4a11) {  // BPF_FS_MAGIC
      DIR* pins = ::opendir(("/proc/self/fd/" + std::to_string(fd)).c_str());
      while (const dirent* pin = ::readdir(pins)) {
        if (pin->d_name[0] != '.' && ::unlinkat(fd, pin->d_name, 0) == 0) ++taken;
      }
      (void)::closedir(pins);
    } else if (::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof(target) - 1) > 0 &&
               std::strstr(target, "bpf_link") != nullptr) {
      taken += ::close(fd) == 0 ? 1 : 0;
    }
  }
  (void)::closedir(dir);
  return taken;
}

void taken_away() {
  const auto probes = open_or_skip({});
  expect(probes->check([](const ProbeRecord&) {}).empty(), "a sound sensor has no finding");
  expect(take_links() > 10, "all links are taken away");
  bool gone = false;
  int silences = 0;
  // A kernel worker takes the programs down a moment after their pins went; the links are missed at once.
  for (int i = 0; i < 300 && silences == 0; ++i) {
    const auto findings = probes->check([](const ProbeRecord&) {});
    gone = gone || find(findings, SensorFinding::Kind::probe_gone) != nullptr;
    if (i == 0) expect(gone, "the first check names probes that are gone");
    if (find(findings, SensorFinding::Kind::silent) != nullptr) ++silences;
    ::usleep(100000);
  }
  expect(silences == 1, "and a check tells that the self-probe is not seen");
  expect(probes->check([](const ProbeRecord&) {}).empty(), "both are told once");
  for (const ProbeHealth& health : probes->health()) {
    if (health.tier == "absent") continue;
    expect(!health.attached, health.detection + " is no longer said to be attached");
  }
  expect(probes->counters().at("probe_links") == 0, "no link is counted as alive");
}

// Two daemons on one machine: a key of one, touched by a third, concerns that one only; touched by the other,
// too.
void side_by_side(std::int32_t key) {
  const auto probes = open_or_skip({});
  const std::int32_t guarded[] = {key};
  (void)probes->guard_keys(guarded, 0);
  const int code = in_child([key] {
    const auto mine = ProbeSet::open({});
    if (!mine) return 2;
    if (read_key(key, 1) != 0) return 3;
    return drain(**mine).empty() && (*mine)->check([](const ProbeRecord&) {}).empty() ? 0 : 4;
  });
  expect(code == 0, "the other daemon's sensor is sound and sees nothing of ours");
  const auto records = drain(*probes);
  expect(records.size() == 1 && records[0].operation == "keyctl-read",
         "we see that the other daemon read our key");
}

void bad_options() {
  ProbeOptions options;
  options.ring_bytes = 5000;
  expect(!ProbeSet::open(options), "a ring size that is no power of two is refused");
  options = {};
  options.state_folders = {"relative"};
  expect(!ProbeSet::open(options), "a relative folder is refused");
  options.state_folders = {"/nonexistent-akm"};
  expect(!ProbeSet::open(options), "a folder that is not there is refused");
  options.state_folders = {"/" + std::string(200, 'a')};
  expect(!ProbeSet::open(options), "a folder name that does not fit is refused");
}

void without_privilege() {
  const int code = in_child([] {
    if (::setuid(65534) != 0) return 2;
    const auto probes = ProbeSet::open({});
    return !probes && probes.error().code == akm::Errc::probe_failed && !probes.error().detail.empty() ? 0
                                                                                                       : 1;
  });
  expect(code == 0, "without privilege: probe_failed with a reason");
}

}  // namespace

int main() {
  (void)open_or_skip({});
  (void)keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0);
  const std::int32_t key = make_key("akm-test");
  if (key <= 0) {
    std::printf("skipped: no kernel keyring here\n");
    return 77;
  }
  overfilled(key);
  refused_flood(key);
  budget(key);
  side_by_side(key);
  bad_options();
  without_privilege();
  taken_away();
  return finish();
}
