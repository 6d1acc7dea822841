#include "daemon/watch/aside_watch.h"

#include <utility>

#include "daemon/watch/one_look.h"

namespace akm::watch {

AsideWatch::AsideWatch(RunAside run_aside, Duration every, Collect collect, Judge judge,
                       std::unique_ptr<DeviceEvents> nudges)
    : run_aside_(std::move(run_aside)),
      every_(every),
      state_(std::make_shared<State>(std::move(collect), std::move(judge))),
      nudges_(std::move(nudges)) {}

bool AsideWatch::nudged() {
  if (!nudges_->drain([](const DeviceEvent&) {})) return false;
  state_->not_before.reset();
  return true;
}

void AsideWatch::look(Instant now, const Tell& tell) {
  if (state_->under_way || (state_->not_before && now < *state_->not_before)) return;
  const Status begun = run_aside_([state = state_, now, tell]() -> keyring::TpmWorker::Completion {
    auto facts = state->collect();
    return [state, now, tell, facts = std::move(facts)] {
      state->under_way = false;
      if (!facts) return state->not_before.reset();  // the next look asks again
      std::vector<Change> changes = state->baseline.compare(*facts);
      OneLook one(tell, now);
      state->judge({std::move(changes), *facts, state->baseline}, now, one.tell());
    };
  });
  state_->under_way = begun.has_value();
  if (begun) state_->not_before = now + every_;  // else the next look tries again
}

Judge tell_all(policy::DetectionClass detection) {
  return [detection](const Differences& differences, Instant now, const Tell& tell) {
    for (const Change& change : differences.changes) tell(seen(detection, now, change));
  };
}

}  // namespace akm::watch
