#pragma once
// One answer for several parts: it is given when the last part is done, with the first error.
#include <memory>
#include <utility>

#include "daemon/base/control_types.h"

namespace akm::nmm {

class DoneJoin {
 public:
  explicit DoneJoin(Done done) : state_(std::make_shared<State>(std::move(done))) {}
  /// One more part, to be called once. All parts are asked for before close().
  Done part() {
    ++state_->open;
    return [state = state_](Status status) {
      if (!status && state->result) state->result = std::move(status);
      state->finish();
    };
  }
  /// Nothing more will be asked for; answers at once when there were no parts.
  void close() { state_->finish(); }

 private:
  struct State {
    explicit State(Done the_done) : done(std::move(the_done)) {}
    void finish() {
      if (--open == 0 && done) done(std::move(result));
    }
    Done done;
    std::size_t open = 1;
    Status result;
  };
  std::shared_ptr<State> state_;
};

}  // namespace akm::nmm
