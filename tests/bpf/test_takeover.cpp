// D7 and D32: the pinned sensor outlives the daemon; who comes after takes it up, with what happened
// meanwhile.
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "tests/bpf/rows.h"

using namespace akm::bpf;
using namespace akm::bpf::test;

namespace {

std::string pins;
std::string state;
std::int32_t key = 0;

ProbeOptions options() {
  ProbeOptions out;
  out.pin_folder = pins;
  out.state_folders = {state};
  out.heartbeat_limit = std::chrono::milliseconds(200);
  return out;
}

int read_key() {
  char room[16];
  return ::syscall(SYS_keyctl, KEYCTL_READ, key, room, sizeof(room)) == 6 ? 0 : 1;
}

/// Of a process that has its number from here, as the one before it has given it back.
int with_number(pid_t number, int (*act)()) {
  clone_args arguments{};
  arguments.exit_signal = SIGCHLD;
  arguments.set_tid = reinterpret_cast<std::uintptr_t>(&number);
  arguments.set_tid_size = 1;
  std::fflush(stdout);
  const auto child = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof(arguments)));
  if (child == 0) ::_exit(act());
  if (child < 0) return kNotHere;
  int status = 0;
  (void)::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/// A daemon that ends as it should, its sensor before its state.
int daemon_that_ends() {
  auto probes = ProbeSet::open(options());
  if (!probes) return kNotHere;
  const std::int32_t guarded[] = {key};
  if (!(*probes)->guard_keys(guarded, 0)) return 1;
  // Its start is known with the first heartbeat, and told with the second.
  (void)(*probes)->check([](const ProbeRecord&) {});
  probes->reset();
  return ::mkdir((state + "/last").c_str(), 0700) == 0 ? 0 : 1;
}

/// A daemon that guards the key and is killed.
int daemon_that_dies() {
  const auto probes = ProbeSet::open(options());
  if (!probes) return kNotHere;
  const std::int32_t guarded[] = {key};
  if (!(*probes)->guard_keys(guarded, 0)) return 1;
  std::string detail;
  for (const ProbeHealth& health : (*probes)->health()) {
    if (health.detection == "D32") detail = health.detail;
  }
  std::printf("# %s\n", detail.c_str());
  std::fflush(stdout);
  if (detail.find("not pinned") != std::string::npos) return kNotHere;
  ::_exit(0);  // without a farewell
}

void without_a_gap() {
  expect(in_child(read_key) == 0, "while there is no daemon, somebody reads the key");
  ::usleep(300000);  // past the limit of the heartbeat
  expect(in_child(read_key) == 0, "and again, when nobody has watched for long");
  expect(::mkdir((state + "/ours").c_str(), 0700) == 0,
         "the successor begins before it has taken the sensor up");
  const auto probes = open_or_skip(options());
  std::size_t reads = 0;
  std::size_t unwatched = 0;
  bool of_us = false;
  for (const ProbeRecord& record : drain(*probes)) {
    reads += record.watch == Watch::key ? 1U : 0U;
    unwatched += record.watch == Watch::key && record.unwatched ? 1U : 0U;
    of_us = of_us || record.path.ends_with("/ours");
  }
  expect(reads == 2, "the successor reads both");
  expect(unwatched >= 1, "the second says that nobody watched");
  expect(!of_us, "what it did itself is left out");
  const auto findings = probes->check([](const ProbeRecord&) {});
  bool told = false;
  for (const SensorFinding& finding : findings) told = told || finding.kind == SensorFinding::Kind::unwatched;
  expect(told, "the time without a watch is a finding");
  expect(in_child(read_key) == 0 && drain(*probes).size() == 1, "the key is still guarded");
  bool taken_up = false;
  for (const ProbeHealth& health : probes->health())
    taken_up = taken_up || health.detail.find("taken up") != std::string::npos;
  expect(taken_up, "health says that it was taken up");
}

void by_number_and_start() {
  pid_t number = 0;
  expect(in_child(daemon_that_ends, &number) == 0, "a daemon ends, and stores something last of all");
  const int read = with_number(number, read_key);
  if (read == kNotHere) std::printf("# no process can be given its number here\n");
  const auto probes = open_or_skip(options());
  const auto records = drain(*probes);
  print(records);
  expect(std::ranges::none_of(records, [](const auto& one) { return one.path.ends_with("/last"); }),
         "its last act is its own");
  const bool told = std::ranges::any_of(records, [&](const auto& one) { return one.watch == Watch::key; });
  if (read != kNotHere) expect(read == 0 && told, "who has its number after it is a stranger");
}

void pins_removed() {
  const auto probes = open_or_skip(options());
  Row row(*probes, "D7", Watch::sensor);
  row.test(Kind::benign, "lists the pins",
           [] { return std::distance(std::filesystem::directory_iterator(pins), {}) > 10 ? 0 : 1; });
  row.test(Kind::attack, "removes a pin", [] {
    for (const auto& pin : std::filesystem::directory_iterator(pins)) {
      if (pin.path().string().find("-signals-") != std::string::npos)
        return ::unlink(pin.path().c_str()) == 0 ? 0 : 1;
    }
    return 1;
  });
  bool gone = false;
  for (const SensorFinding& finding : probes->check([](const ProbeRecord&) {}))
    gone = gone || finding.kind == SensorFinding::Kind::probe_gone;
  expect(gone, "and the next check misses it");
}

void one_holder() {
  const auto probes = open_or_skip(options());
  const auto second = ProbeSet::open(options());
  expect(second.has_value(), "a second daemon with the same folder works");
  if (!second) return;
  bool said = false;
  for (const ProbeHealth& health : (*second)->health())
    said = said || health.detail.find("in use") != std::string::npos;
  expect(said, "and says that it is not pinned");
}

}  // namespace

int main() {
  const Folder base;
  state = base.path() + "/state";
  (void)::mkdir(state.c_str(), 0700);
  pins = "/sys/fs/bpf/akm-test-" + std::to_string(::getpid());
  (void)::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  key = static_cast<std::int32_t>(
      ::syscall(SYS_add_key, "user", "akm-takeover", "secret", 6, KEY_SPEC_SESSION_KEYRING));
  if (key <= 0) {
    std::printf("skipped: no kernel keyring here\n");
    return 77;
  }
  const int code = in_child(daemon_that_dies);
  if (code == kNotHere) {
    std::printf("skipped: no bpffs to pin on here\n");
    return 77;
  }
  expect(code == 0, "a daemon pins its sensor and is gone");
  without_a_gap();
  by_number_and_start();
  pins_removed();
  one_holder();
  (void)std::filesystem::remove_all(pins);
  return finish();
}
