#pragma once
// A thread for what takes long (scrypt, a slow drive): the loop goes on meanwhile, and gets the result.
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "daemon/base/control_types.h"
#include "daemon/io/loop.h"
#include "keyring/tpm_worker.h"

namespace akm::service {

/// How a role has work done aside; a test keeps the job and runs it when it likes.
using RunAside = std::function<Status(keyring::TpmWorker::Job)>;

/// Has `work` done aside, and answers with what it gave, or why it could not be begun.
template <typename T>
void reply_aside(const RunAside& run_aside, std::move_only_function<Result<T>()> work, Reply<T> reply) {
  // Shared with the job: where the job cannot be had, it is answered here.
  const auto held = std::make_shared<Reply<T>>(std::move(reply));
  const Status begun = run_aside([work = std::move(work), held]() mutable -> keyring::TpmWorker::Completion {
    return [result = work(), held]() mutable { (*held)(std::move(result)); };
  });
  if (!begun) (*held)(std::unexpected(begun.error()));
}

/// Made when it is first needed: most runs never do. A job and its completion own what they work on; secrets
/// among it stay in the arena, which all threads share.
class AsideWorker {
 public:
  explicit AsideWorker(io::Loop& loop, std::size_t most = keyring::kTpmQueueMax) : loop_(loop), most_(most) {}
  ~AsideWorker();
  AsideWorker(const AsideWorker&) = delete;
  AsideWorker& operator=(const AsideWorker&) = delete;
  /// io_failed, busy.
  Status run(keyring::TpmWorker::Job job);

 private:
  io::Loop& loop_;
  std::size_t most_;
  std::unique_ptr<keyring::TpmWorker> worker_;
  std::optional<io::Loop::WatchId> watch_;
};

}  // namespace akm::service
