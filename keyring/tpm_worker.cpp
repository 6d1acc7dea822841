#include "keyring/tpm_worker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <iterator>
#include <system_error>

#include "daemon/base/vector_registers.h"

namespace akm::keyring {

Result<std::unique_ptr<TpmWorker>> TpmWorker::start(std::size_t most) {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return fail_errno(Errc::io_failed, "eventfd");
  std::unique_ptr<TpmWorker> worker(new TpmWorker(std::move(event), most));
  // Signals belong to the loop thread; a new thread inherits the mask.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  Status started;
  try {
    worker->thread_ = std::thread([&self = *worker] { self.run(); });
  } catch (const std::system_error& error) {
    started = fail_errno(Errc::io_failed, "start the TPM thread", error.code().value());
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  AKM_TRY(started);
  return worker;
}

TpmWorker::~TpmWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Status TpmWorker::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (under_way_ == most_) return fail(Errc::busy, "too many jobs wait");
    ++under_way_;
    waiting_.push_back(std::move(job));
  }
  wake_.notify_one();
  return {};
}

std::size_t TpmWorker::drain() {
  std::vector<Completion> finished;
  {
    // The descriptor under the lock too, as the thread writes it: else it could stay readable for nothing.
    const std::lock_guard lock(mutex_);
    std::uint64_t count = 0;
    (void)!::read(event_.get(), &count, sizeof count);
    finished.swap(finished_);
    under_way_ -= finished.size();
  }
  for (Completion& completion : finished) {
    if (completion) completion();
  }
  return finished.size();
}

void TpmWorker::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wipe_vector_registers();
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    Job job = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    lock.unlock();
    Completion completion = job();
    job = nullptr;
    lock.lock();
    finished_.push_back(std::move(completion));
    const std::uint64_t one = 1;
    // Cannot block: the counter holds 2^64 - 2, and there are at most kTpmQueueMax.
    (void)!::write(event_.get(), &one, sizeof one);
  }
}

}  // namespace akm::keyring
