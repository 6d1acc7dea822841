#pragma once
// The one thread that talks to the TPM: a command takes milliseconds to seconds, and the loop must not wait
// for it.
#include <array>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::keyring {

/// Jobs that wait or whose completion was not drained yet; one more is busy.
inline constexpr std::size_t kTpmQueueMax = 16;

class TpmWorker {
 public:
  /// Runs on the loop thread, in drain().
  using Completion = std::move_only_function<void()>;
  /// Runs on the TPM thread; what it returns carries the result back to the loop thread. Must not throw.
  using Job = std::move_only_function<Completion()>;

  /// Starts the thread, with all signals blocked in it; `most` jobs may be under way. io_failed.
  static Result<std::unique_ptr<TpmWorker>> start(std::size_t most = kTpmQueueMax);
  /// Ends after the job that runs now; jobs that wait, and completions not drained, are dropped without
  /// running.
  ~TpmWorker();
  TpmWorker(const TpmWorker&) = delete;
  TpmWorker& operator=(const TpmWorker&) = delete;

  /// busy when so many jobs are under way. Jobs run one after the other, in order.
  Status submit(Job job);
  /// Readable (level) while completions wait. Non-blocking; owned by the worker.
  [[nodiscard]] int eventfd() const { return event_.get(); }
  /// Runs the completions of finished jobs; returns how many. Loop thread only.
  std::size_t drain();

 private:
  TpmWorker(UniqueFd event, std::size_t most) : event_(std::move(event)), most_(most) {}
  void run();

  UniqueFd event_;
  const std::size_t most_;
  std::mutex mutex_;  // guards all below; held for moves and the eventfd only, never while a job or a
                      // completion runs
  std::condition_variable wake_;
  std::vector<Job> waiting_;
  std::vector<Completion> finished_;
  std::size_t under_way_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace akm::keyring
