// D1: foreign use of a guarded key gives a record with the right fields; ours, and what is noise, gives none.
#include <linux/keyctl.h>
#include <sys/syscall.h>

#include <algorithm>

#include "tests/bpf/harness.h"

using namespace akm::bpf;
using namespace akm::bpf::test;

namespace {

long keyctl(int command, long a = 0, long b = 0, long c = 0, long d = 0) {
  return ::syscall(SYS_keyctl, command, a, b, c, d);
}

long add_key(const char* type, const char* name, const char* data, std::size_t size, long ring) {
  return ::syscall(SYS_add_key, type, name, data, size, ring);
}

void foreign_read(ProbeSet& probes, std::int32_t key) {
  pid_t child = 0;
  const std::int64_t before = akm::boottime_now().ns;
  const int code = in_child(
      [key] {
        char room[64];
        return keyctl(KEYCTL_READ, key, reinterpret_cast<long>(room), sizeof(room)) == 6 ? 0 : 1;
      },
      &child);
  const std::int64_t after = akm::boottime_now().ns;
  expect(code == 0, "the child read the key");
  const auto records = drain(probes);
  print(records);
  expect(records.size() == 1, "one record for one read");
  const ProbeRecord* record = find(records, Watch::key, "keyctl-read");
  expect(record != nullptr, "it is a key-access record");
  if (record == nullptr) return;
  expect(record->serial == key, "serial");
  expect(record->outcome == Outcome::succeeded && record->result == 6, "outcome and result");
  expect(record->uid == 0u, "uid");
  expect(record->comm.starts_with("test_bpf_keys"), "comm");
  expect(record->boottime_ns >= before && record->boottime_ns <= after, "time of the call");
  expect(record->tgid == record->pid && record->tgid != 0, "process");
  expect(record->evidence().at("key") == std::to_string(key), "evidence names the key");
  expect(record->subject().at("tgid") == std::to_string(record->tgid), "subject names the process");
}

void foreign_operations(ProbeSet& probes, std::int32_t key, std::int32_t ring) {
  struct Case {
    const char* operation;
    std::function<long()> act;
  };
  const Case cases[] = {
      {"keyctl-setperm", [&] { return keyctl(KEYCTL_SETPERM, key, 0x3f3f0000); }},
      {"keyctl-chown", [&] { return keyctl(KEYCTL_CHOWN, key, -1, -1); }},
      {"keyctl-set-timeout", [&] { return keyctl(KEYCTL_SET_TIMEOUT, key, 1000); }},
      {"keyctl-update", [&] { return keyctl(KEYCTL_UPDATE, key, reinterpret_cast<long>("secret"), 6); }},
      {"keyctl-link", [&] { return keyctl(KEYCTL_LINK, key, KEY_SPEC_PROCESS_KEYRING); }},
      {"keyctl-search",
       [&] {
         return keyctl(KEYCTL_SEARCH, ring, reinterpret_cast<long>("user"),
                       reinterpret_cast<long>("akm-test"), 0);
       }},
      {"add-key", [&] { return add_key("user", "intruder", "x", 1, ring); }},
      {"keyctl-unlink", [&] { return keyctl(KEYCTL_UNLINK, key, ring); }},
  };
  for (const Case& one : cases) {
    (void)in_child([&one] { return one.act() < 0 ? 1 : 0; });
    const auto records = drain(probes);
    const ProbeRecord* record = find(records, Watch::key, one.operation);
    expect(record != nullptr, std::string("record of ") + one.operation);
    if (record == nullptr) print(records);
  }
}

void refused_attempt(ProbeSet& probes, std::int32_t key) {
  (void)in_child([key] {
    // Another session, so that the key is not possessed, and nobody's rights.
    if (keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0) < 0 || ::setuid(65534) != 0) return 2;
    char room[8];
    return keyctl(KEYCTL_READ, key, reinterpret_cast<long>(room), sizeof(room)) < 0 ? 0 : 1;
  });
  const auto records = drain(probes);
  const ProbeRecord* record = find(records, Watch::key, "keyctl-read");
  expect(record != nullptr && record->outcome == Outcome::refused, "a refused read is told as refused");
  expect(record != nullptr && record->uid == 65534u, "with the uid of who tried");
}

// A search that begins at a keyring of the caller's own and ends at a key of ours.
void found_by_search(ProbeSet& probes, std::int32_t key) {
  const int code = in_child([key] {
    return keyctl(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, reinterpret_cast<long>("user"),
                  reinterpret_cast<long>("akm-test"), 0) == key
               ? 0
               : 1;
  });
  expect(code == 0, "the child found the key through its session keyring");
  const ProbeRecord* record = nullptr;
  const auto records = drain(probes);
  record = find(records, Watch::key, "keyctl-search");
  expect(record != nullptr && record->serial == key, "a search that comes back with our key is a record");
}

void noise(ProbeSet& probes, std::int32_t key, std::int32_t ring, std::int32_t other) {
  char room[256];
  const long at = reinterpret_cast<long>(room);
  expect(keyctl(KEYCTL_READ, key, at, sizeof(room)) == 6, "we read our key");
  expect(drain(probes).empty(), "our own read gives no record");
  (void)in_child([&] { return keyctl(KEYCTL_DESCRIBE, key, at, sizeof(room)) > 0 ? 0 : 1; });
  expect(drain(probes).empty(), "DESCRIBE (cat /proc/keys) gives no record");
  (void)in_child([&] { return keyctl(KEYCTL_READ, ring, at, sizeof(room)) > 0 ? 0 : 1; });
  expect(drain(probes).empty(), "listing the keyring (keyctl show) gives no record");
  (void)in_child([&] { return keyctl(KEYCTL_READ, other, at, sizeof(room)) > 0 ? 0 : 1; });
  expect(drain(probes).empty(), "another key gives no record");
}

void changed_guard(ProbeSet& probes, std::int32_t key, std::int32_t ring, std::int32_t other) {
  const std::int32_t only_other[] = {other};
  expect(probes.guard_keys(only_other, ring).has_value(), "guard another key");
  const auto read = [](std::int32_t serial) {
    return in_child([serial] {
      char room[64];
      return keyctl(KEYCTL_READ, serial, reinterpret_cast<long>(room), sizeof(room)) > 0 ? 0 : 1;
    });
  };
  (void)read(key);
  expect(drain(probes).empty(), "the key that is no longer guarded gives no record");
  (void)read(other);
  expect(drain(probes).size() == 1, "the newly guarded key does");
}

// The kernel does not run system call tracepoints for 32-bit calls, which a 64-bit program can make too. This
// blind spot is documented; when this fails, it has closed and docs/detections.md and health() must say so.
void blind_spot(ProbeSet& probes, std::int32_t key) {
#ifdef __x86_64__
  if (::access("/proc/sys/abi/vsyscall32", F_OK) != 0) return;
  const int code = in_child([key] {
    constexpr int kKeyctlOf32Bit = 288;
    int result = kKeyctlOf32Bit;
    asm volatile("int $0x80" : "+a"(result) : "b"(KEYCTL_READ), "c"(key), "d"(0), "S"(0) : "memory");
    return result == 6 ? 0 : 1;
  });
  if (code != 0) return;  // switched off when the kernel was started
  expect(drain(probes).empty(), "a 32-bit keyctl is not seen, as documented");
  bool said = false;
  for (const ProbeHealth& health : probes.health()) {
    said = said || (health.detection == "D1" &&
                    (health.tier != "tracepoint" || health.detail.find("32-bit") != std::string::npos));
  }
  expect(said, "and health says so, where nothing else sees it");
#else
  (void)probes;
  (void)key;
#endif
}

}  // namespace

int main() {
  ProbeOptions options;
  const auto probes = open_or_skip(options);
  (void)keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0);
  const auto ring =
      static_cast<std::int32_t>(add_key("keyring", "akm-test-ring", nullptr, 0, KEY_SPEC_SESSION_KEYRING));
  const auto key = static_cast<std::int32_t>(add_key("user", "akm-test", "secret", 6, ring));
  const auto other =
      static_cast<std::int32_t>(add_key("user", "akm-other", "public", 6, KEY_SPEC_SESSION_KEYRING));
  if (key <= 0 || ring <= 0 || other <= 0) {
    std::printf("skipped: no kernel keyring here\n");
    return 77;
  }
  const std::int32_t guarded[] = {key};
  expect(probes->guard_keys(guarded, ring).has_value(), "guard the key");
  expect(drain(*probes).empty(), "nothing before anything happened");
  foreign_read(*probes, key);
  noise(*probes, key, ring, other);
  found_by_search(*probes, key);
  refused_attempt(*probes, key);
  blind_spot(*probes, key);
  changed_guard(*probes, key, ring, other);
  expect(probes->guard_keys(guarded, ring).has_value(), "guard the key again");
  foreign_operations(*probes, key, ring);
  expect(probes->check([](const ProbeRecord&) {}).empty(), "the sensor is sound afterwards");
  return finish();
}
