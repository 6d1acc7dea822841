#include "daemon/service/aside_worker.h"

#include <criterion/criterion.h>
#include <poll.h>

#include "tests/support/fake_loop.h"

using namespace akm;
using namespace akm::test;

Test(aside_worker, work_aside_comes_back_to_the_loop) {
  FakeLoop loop;
  service::AsideWorker worker(loop);
  cr_assert(loop.watches.empty(), "no thread before it is needed");
  int done = 0;
  cr_assert(
      worker.run([&done]() -> keyring::TpmWorker::Completion { return [&done] { ++done; }; }).has_value());
  cr_assert_eq(loop.watches.size(), 1);
  pollfd ready{loop.watches.begin()->second.fd, POLLIN, 0};
  cr_assert_eq(::poll(&ready, 1, 10'000), 1);
  loop.watches.begin()->second.handler(POLLIN);
  cr_assert_eq(done, 1);
}

Test(aside_worker, a_loop_that_cannot_watch_is_an_error) {
  FakeLoop loop;
  loop.fail_watches = true;
  service::AsideWorker worker(loop);
  cr_assert_not(worker.run([]() -> keyring::TpmWorker::Completion { return [] {}; }).has_value());
}
