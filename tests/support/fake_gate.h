#pragma once
// A gate that remembers what it was told.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bpf/loader/gate.h"

namespace akm::test {

class FakeGate final : public bpf::Gate {
 public:
  /// What the test keeps hold of: the gate itself is given away.
  struct Script {
    std::set<std::uint64_t> ids;
    std::vector<Endpoint> vouched;
    std::vector<Endpoint> groups;
    std::vector<std::string> gone;
    std::vector<bpf::GateScan> scans;
    std::map<std::string, std::uint64_t> counters;
    Health health{"eth0: XDP", true, ""};
    std::size_t checks = 0;
  };
  explicit FakeGate(Script& script) : script_(script) {}

  void know(std::uint64_t asr_id) override { script_.ids.insert(asr_id); }
  void forget(std::uint64_t asr_id) override { script_.ids.erase(asr_id); }
  void add_group(const Endpoint& group) override { script_.groups.push_back(group); }
  void vouch(const Endpoint& source, Duration) override { script_.vouched.push_back(source); }
  std::vector<std::string> check() override {
    ++script_.checks;
    return std::exchange(script_.gone, {});
  }
  [[nodiscard]] const Health& health() const override { return script_.health; }
  [[nodiscard]] std::map<std::string, std::uint64_t> counters() const override { return script_.counters; }
  std::vector<bpf::GateScan> take_scans() override { return std::exchange(script_.scans, {}); }

 private:
  Script& script_;
};

}  // namespace akm::test
