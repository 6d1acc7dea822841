#pragma once
// Blocking work of somebody else's code (a TPM's driver, a PKCS#11 module) that is waited for, but not for
// ever.
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "daemon/base/instant.h"
#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"
#include "daemon/base/worker_thread.h"

namespace akm::service {

/// What a thread that may hang has found, or will find. Shared by the two sides, so that neither depends on
/// the other's life.
template <typename T>
class Awaited {
 public:
  /// Starts the work, which must own what it uses, on a thread of its own. io_failed.
  static Result<std::shared_ptr<Awaited>> start(std::move_only_function<T()> work) {
    auto out = std::make_shared<Awaited>();
    AKM_ASSIGN(out->event_, make_eventfd());
    AKM_ASSIGN(
        out->thread_, start_thread("a thread that may hang", [out, work = std::move(work)]() mutable {
          T found = work();
          work = nullptr;  // what it owned may hang too: nobody waits for this thread once there is an answer
          out->put(std::move(found));
        }));
    return out;
  }
  Awaited() = default;
  Awaited(const Awaited&) = delete;
  Awaited& operator=(const Awaited&) = delete;
  /// The last of the two sides may be the thread itself.
  ~Awaited() {
    if (thread_.joinable()) thread_.detach();
  }
  /// Nothing when it is not there after `most`. Gives it once.
  std::optional<T> wait_for(Duration most) {
    std::unique_lock lock(mutex_);
    if (!there_.wait_for(lock, most, [this] { return found_.has_value(); })) return std::nullopt;
    return take(lock);
  }
  /// Readable from when it is there, for who waits by a loop.
  [[nodiscard]] int eventfd() const { return event_.get(); }
  T wait() {
    std::unique_lock lock(mutex_);
    there_.wait(lock, [this] { return found_.has_value(); });
    return take(lock);
  }

 private:
  /// The thread is at its end: whoever has its answer may exit, and nothing of the thread is in the way.
  T take(std::unique_lock<std::mutex>& lock) {
    T found = *std::exchange(found_, std::nullopt);
    lock.unlock();
    if (thread_.joinable()) thread_.join();
    return found;
  }
  void put(T found) {
    {
      const std::lock_guard lock(mutex_);
      found_ = std::move(found);
    }
    there_.notify_all();
    signal_eventfd(event_.get());
  }

  UniqueFd event_;
  std::thread thread_;
  std::mutex mutex_;  // guards found_; never held while the work runs
  std::condition_variable there_;
  std::optional<T> found_;
};

}  // namespace akm::service
