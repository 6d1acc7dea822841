#include "daemon/io/loop.h"

#include "daemon/io/epoll_loop.h"
#include "daemon/io/uring_loop.h"

namespace akm::io {

Result<std::unique_ptr<Loop>> Loop::create(BackendChoice choice) {
  std::string reason;
  if (choice != BackendChoice::epoll) {
    auto uring = UringLoop::create();
    if (uring || choice == BackendChoice::io_uring) return uring;
    reason = uring.error().detail;
  }
  AKM_ASSIGN(std::unique_ptr<Loop> loop, EpollLoop::create());
  static_cast<LoopBase&>(*loop).set_backend_reason(std::move(reason));
  return loop;
}

}  // namespace akm::io
