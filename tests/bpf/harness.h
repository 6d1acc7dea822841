#pragma once
// What the BPF tests share: checks that count, children that do the forbidden, records that are gathered.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bpf/loader/probe_set.h"

namespace akm::bpf::test {

inline int failures = 0;

inline void expect(bool condition, const std::string& what) {
  std::printf("%s - %s\n", condition ? "ok" : "not ok", what.c_str());
  if (!condition) ++failures;
}

inline int finish() {
  std::printf("# failed %d\n", failures);
  return failures == 0 ? 0 : 1;
}

/// Exits with 77 and the reason where the kernel does not let us.
inline std::unique_ptr<ProbeSet> open_or_skip(const ProbeOptions& options) {
  // What is denied where the kernel can is shown on a whole node (tests/attacks); here each act is to be seen
  // to its end.
  ProbeOptions watching = options;
  watching.deny = false;
  auto probes = ProbeSet::open(watching);
  if (!probes) {
    std::printf("skipped: %s\n", probes.error().message().c_str());
    std::exit(77);
  }
  for (const ProbeHealth& health : (*probes)->health()) {
    std::printf("# %s: %s, %s (%s)\n", health.detection.c_str(), health.tier.c_str(),
                health.attached ? "attached" : "not attached", health.detail.c_str());
  }
  return std::move(*probes);
}

/// Another process does it; returns its exit code.
inline int in_child(const std::function<int()>& act, pid_t* pid_out = nullptr) {
  std::fflush(stdout);
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(act());
  if (pid_out != nullptr) *pid_out = pid;
  int status = 0;
  (void)::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/// A security module is asked beside the call that is told at its end, more than once where the kernel asks
/// more than once. tests/attacks looks at those on a whole node.
inline bool is_asked(const ProbeRecord& record) {
  return (record.source == "lsm" || record.source == "fentry") && !record.operation.starts_with("open-");
}

/// Of our keys, process and folders only: what watches the whole machine sees others at work too.
inline bool is_of_ours(const ProbeRecord& record) {
  if (is_asked(record)) return false;
  return record.watch == Watch::key || record.watch == Watch::process || record.watch == Watch::state ||
         record.watch == Watch::config;
}

inline std::vector<ProbeRecord> drain_all(ProbeSet& probes) {
  std::vector<ProbeRecord> out;
  while (probes.drain(256, [&](const ProbeRecord& record) { out.push_back(record); }).more) {
  }
  return out;
}

inline std::vector<ProbeRecord> drain(ProbeSet& probes) {
  std::vector<ProbeRecord> out = drain_all(probes);
  std::erase_if(out, [](const ProbeRecord& record) { return !is_of_ours(record); });
  return out;
}

inline const ProbeRecord* find(const std::vector<ProbeRecord>& records, Watch watch,
                               const std::string& operation) {
  for (const ProbeRecord& record : records) {
    if (record.watch == watch && record.operation == operation) return &record;
  }
  return nullptr;
}

inline void print(const std::vector<ProbeRecord>& records) {
  for (const ProbeRecord& r : records) {
    std::printf("#   %s %s %s by %u (%s) key %d path %s\n", r.source.c_str(), r.operation.c_str(),
                std::string(outcome_name(r.outcome)).c_str(), r.tgid, r.comm.c_str(), r.serial,
                r.path.c_str());
  }
}

/// A folder of its own below /tmp, removed at the end.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/akm-bpf-test-XXXXXX";
    if (::mkdtemp(name) == nullptr) std::abort();
    path_ = name;
  }
  ~Folder() { (void)std::system(("rm -rf " + path_).c_str()); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace akm::bpf::test
