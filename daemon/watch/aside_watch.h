#pragma once
// A watch whose facts take time (a TPM, the answers of audit): collected on a thread aside, at an interval of
// its own, compared on the loop thread.
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/watch/baseline.h"
#include "daemon/watch/device_events.h"
#include "daemon/watch/watch.h"
#include "keyring/tpm_worker.h"

namespace akm::watch {

/// As service::RunAside.
using RunAside = std::function<Status(keyring::TpmWorker::Job)>;
/// On the thread aside. An error is no fact: what cannot be read now is compared the next time.
using Collect = std::function<Result<Facts>()>;
/// All changes of one look, with the facts that they are of. `accept` makes a change the new baseline.
struct Differences {
  std::vector<Change> changes;
  const Facts& facts;
  Baseline& baseline;
};
using Judge = std::function<void(const Differences&, Instant now, const Tell& tell)>;

class AsideWatch final : public Watch {
 public:
  /// `nudges`: devices whose coming and going is worth a look before its time; null for none.
  AsideWatch(RunAside run_aside, Duration every, Collect collect, Judge judge,
             std::unique_ptr<DeviceEvents> nudges = nullptr);
  [[nodiscard]] int fd() const override { return nudges_ ? nudges_->fd() : -1; }
  bool nudged() override;
  void look(Instant now, const Tell& tell) override;
  [[nodiscard]] bool tells_later() const override { return true; }

 private:
  // What a job that ends later needs; it may end when this watch is gone.
  struct State {
    Collect collect;
    Judge judge;
    Baseline baseline;
    bool under_way = false;
    std::optional<Instant> not_before;
  };
  RunAside run_aside_;
  Duration every_;
  std::shared_ptr<State> state_;
  std::unique_ptr<DeviceEvents> nudges_;
};

/// Tells each change as one of `detection`.
Judge tell_all(policy::DetectionClass detection);

}  // namespace akm::watch
