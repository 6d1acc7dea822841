#include "daemon/watch/aside_watch.h"

#include <utility>

namespace akm::watch {

AsideWatch::AsideWatch(RunAside run_aside, Duration every, Collect collect, Judge judge,
                       std::unique_ptr<DeviceEvents> nudges)
    : run_aside_(std::move(run_aside)),
      every_(every),
      state_(std::make_shared<State>(std::move(collect), std::move(judge))),
      nudges_(std::move(nudges)) {}

bool AsideWatch::nudged() {
  if (!nudges_->drain([](const DeviceEvent&) {})) return false;
  not_before_.reset();
  return true;
}

void AsideWatch::look(Instant now, const Tell& tell) {
  if (state_->under_way || (not_before_ && now < *not_before_)) return;
  not_before_ = now + every_;
  const Status begun = run_aside_([state = state_, now, tell]() -> keyring::TpmWorker::Completion {
    auto facts = state->collect();
    return [state, now, tell, facts = std::move(facts)] {
      state->under_way = false;
      if (!facts) return;
      std::vector<Change> changes = state->baseline.compare(*facts);
      state->judge({std::move(changes), *facts, state->baseline}, now, tell);
    };
  });
  state_->under_way = begun.has_value();  // else the next look tries again
}

Judge tell_all(policy::DetectionClass detection) {
  return [detection](const Differences& differences, Instant now, const Tell& tell) {
    for (const Change& change : differences.changes) tell(seen(detection, now, change));
  };
}

}  // namespace akm::watch
