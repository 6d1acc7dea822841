#pragma once
// A ProbeSet that sees what a test lets it see.
#include <deque>
#include <string>
#include <vector>

#include "bpf/loader/probe_set.h"

namespace akm::test {

class FakeProbeSet final : public bpf::ProbeSet {
 public:
  /// What the test keeps hold of: the probe set itself is given away.
  struct Script {
    std::deque<bpf::ProbeRecord> records;
    std::vector<bpf::SensorFinding> findings;
    std::vector<std::int32_t> guarded;
    std::int32_t guarded_keyring = 0;
    bool fail_guard = false;
    bool attached = true;
    std::size_t checks = 0;
  };
  explicit FakeProbeSet(Script& script) : script_(script) {}

  [[nodiscard]] int fd() const override { return 0; }
  Drained drain(std::size_t budget, const RecordHandler& handler) override {
    Drained out;
    for (; out.records < budget && !script_.records.empty(); ++out.records) {
      const bpf::ProbeRecord record = script_.records.front();
      script_.records.pop_front();
      handler(record);
    }
    out.more = !script_.records.empty();
    return out;
  }
  Status guard_keys(std::span<const std::int32_t> serials, std::int32_t keyring) override {
    if (script_.fail_guard) return fail(Errc::limit_exceeded, "test");
    script_.guarded.assign(serials.begin(), serials.end());
    script_.guarded_keyring = keyring;
    return {};
  }
  std::vector<bpf::SensorFinding> check(const RecordHandler& handler) override {
    ++script_.checks;
    (void)drain(SIZE_MAX, handler);
    return std::exchange(script_.findings, {});
  }
  [[nodiscard]] std::vector<bpf::ProbeHealth> health() const override {
    return {{"D1", script_.attached ? "tracepoint" : "none", script_.attached,
             script_.attached ? "" : "no right"}};
  }
  [[nodiscard]] std::string pin_folder() const override { return "/pins"; }
  [[nodiscard]] std::map<std::string, std::uint64_t> counters() const override {
    return {{"probe_records", 1}};
  }

 private:
  Script& script_;
};

/// Root reads one of the node's keys with keyctl, and the kernel refuses.
inline bpf::ProbeRecord foreign_key_read(std::int32_t serial) {
  bpf::ProbeRecord out;
  out.watch = bpf::Watch::key;
  out.outcome = bpf::Outcome::refused;
  out.operation = "keyctl-read";
  out.source = "tracepoint";
  out.boottime_ns = 4711;
  out.pid = out.tgid = 99;
  out.uid = 0;
  out.comm = "keyctl";
  out.serial = serial;
  out.result = -13;
  return out;
}

}  // namespace akm::test
