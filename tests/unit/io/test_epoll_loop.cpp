#include "daemon/io/epoll_loop.h"

#include "tests/unit/io/loop_suite.h"

AKM_LOOP_SUITE(epoll_loop, akm::io::BackendChoice::epoll)

Test(epoll_loop, asked_for_needs_no_reason) {
  const auto loop = akm::io::suite::make(akm::io::BackendChoice::epoll);
  cr_assert(loop->backend() == akm::io::Backend::epoll);
  cr_assert(loop->backend_reason().empty());
}

Test(epoll_loop, a_regular_file_cannot_be_watched) {
  const auto loop = akm::io::suite::make(akm::io::BackendChoice::epoll);
  const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  cr_assert_geq(fd, 0);
  const auto watched = loop->watch(fd, POLLIN, [](std::uint32_t) {});
  cr_assert(!watched.has_value());
  cr_assert(watched.error().code == akm::Errc::io_failed);
  (void)close(fd);
}
