#include "keyring/tpm_worker.h"

#include <unistd.h>

#include <cstdint>
#include <iterator>

#include "daemon/base/vector_registers.h"
#include "daemon/base/worker_thread.h"

namespace akm::keyring {

Result<std::unique_ptr<TpmWorker>> TpmWorker::start(std::size_t most) {
  AKM_ASSIGN(UniqueFd event, make_eventfd());
  std::unique_ptr<TpmWorker> worker(new TpmWorker(std::move(event), most));
  AKM_ASSIGN(worker->thread_, start_thread("the TPM thread", [&self = *worker] { self.run(); }));
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
    signal_eventfd(event_.get());
  }
}

}  // namespace akm::keyring
