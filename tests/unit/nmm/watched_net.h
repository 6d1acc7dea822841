#pragma once
// An NMM whose machine has probes, which see what the test lets them see.
#include <utility>
#include <vector>

#include "tests/support/fake_probe_set.h"
#include "tests/unit/nmm/nmm_net.h"

namespace akm::nmm::test {

struct Eyes {
  akm::test::FakeProbeSet::Script probes;
  std::vector<keyring::TpmWorker::Job> hooks;  // that the test runs

  NmmMachine machine() {
    NmmMachine out;
    out.probes = std::make_unique<akm::test::FakeProbeSet>(probes);
    out.run_hooks = [this](keyring::TpmWorker::Job job) -> Status {
      hooks.push_back(std::move(job));
      return {};
    };
    return out;
  }
};

class WatchedNet : public Eyes, public NmmNet {
 public:
  explicit WatchedNet(std::size_t count, NmmSettings settings = {})
      : NmmNet(count, std::move(settings), [this] { return machine(); }) {}
};

}  // namespace akm::nmm::test
