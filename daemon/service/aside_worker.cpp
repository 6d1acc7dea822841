#include "daemon/service/aside_worker.h"

#include <poll.h>

#include <utility>

namespace akm::service {

AsideWorker::~AsideWorker() {
  if (watch_) loop_.unwatch(*watch_);
}

Status AsideWorker::run(keyring::TpmWorker::Job job) {
  if (!worker_) {
    AKM_ASSIGN(worker_, keyring::TpmWorker::start(most_));
    auto watch = loop_.watch(worker_->eventfd(), POLLIN, [this](std::uint32_t) { (void)worker_->drain(); });
    if (!watch) {
      worker_.reset();
      return std::unexpected(watch.error());
    }
    watch_ = *watch;
  }
  return worker_->submit(std::move(job));
}

}  // namespace akm::service
