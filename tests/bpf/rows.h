#pragma once
// One row of docs/detections.md at a time: an attack must give a record, a benign act none. Each test prints
// a line: "@row D3 tracepoint attack detected opens /proc/PID/maps".
#include <sys/prctl.h>

#include <set>

#include "tests/bpf/harness.h"

namespace akm::bpf::test {

/// The act could not be made here, and why is printed by it.
inline constexpr int kNotHere = 77;

enum class Kind : std::uint8_t {
  attack,
  around,      // another way to the same end
  lsm_around,  // one that only the LSM tier sees
  benign,
};

inline const char* kind_name(Kind kind) {
  return kind == Kind::attack ? "attack" : kind == Kind::benign ? "benign" : "around";
}

/// The name by which the child's records are known: others are at work on this machine too.
inline std::string child_name() {
  static int number = 0;
  return "akm-row-" + std::to_string(++number);
}

class Row {
 public:
  Row(ProbeSet& probes, std::string row, Watch watch) : probes_(probes), row_(std::move(row)), watch_(watch) {
    for (const ProbeHealth& health : probes_.health()) {
      if (health.detection == row_) tier_ = health.tier.substr(0, health.tier.find(' '));
    }
  }

  [[nodiscard]] const std::string& tier() const { return tier_; }
  /// A thread of the child that gave itself this name may be the one. What the child starts is known by its
  /// parent.
  Row& by(std::string comm) {
    comm_ = std::move(comm);
    return *this;
  }

  void test(Kind kind, const std::string& what, const std::function<int()>& act) {
    if (tier_ == "absent" || (kind == Kind::lsm_around && tier_ != "lsm")) {
      tell(kind, tier_ == "absent" ? "absent" : "blind", what);
      return;
    }
    const std::string name = child_name();
    (void)drain_all(probes_);
    const int code = in_child([&] {
      (void)::prctl(PR_SET_NAME, name.c_str());
      return act();
    });
    if (code == kNotHere) {
      tell(kind, "skipped", what);
      return;
    }
    const std::vector<ProbeRecord> records = drain_all(probes_);
    bool found = false;
    // The kernel's workers of a ring have names of their own, in the same process.
    std::set<std::uint32_t> processes;
    for (const ProbeRecord& record : records) {
      if (record.comm == name || record.parent_comm == name || record.comm == comm_)
        processes.insert(record.tgid);
    }
    for (const ProbeRecord& record : records) {
      if (record.watch != watch_ || !processes.contains(record.tgid)) continue;
      found = true;
      check(record);
    }
    const bool good = code == 0 && found == (kind != Kind::benign);
    tell(kind,
         code != 0 ? "failed"
         : found   ? (kind == Kind::benign ? "alarm" : "detected")
                   : (kind == Kind::benign ? "silent" : "missed"),
         what);
    expect(good, row_ + " " + kind_name(kind) + ": " + what);
    if (!good) print(records);
    comm_ = "none";
  }

 private:
  void check(const ProbeRecord& record) const {
    expect(record.tgid != 0 && record.started_boottime_ns > 0 && record.parent_tgid != 0 &&
               !record.executable.empty() && record.executable_inode != 0 && record.uid.has_value(),
           row_ + ": the record says who");
  }
  void tell(Kind kind, const char* result, const std::string& what) const {
    std::printf("@row %s %s %s %s %s\n", row_.c_str(), tier_.c_str(), kind_name(kind), result, what.c_str());
  }

  ProbeSet& probes_;
  std::string row_;
  Watch watch_;
  std::string tier_ = "none";
  std::string comm_ = "none";
};

}  // namespace akm::bpf::test
