#include "daemon/io/loop_base.h"

#include "tests/unit/io/loop_suite.h"

using namespace akm::io;

namespace {

// A backend without system calls: what the base asks of it, in order.
class FakeLoop final : public LoopBase {
 public:
  [[nodiscard]] Backend backend() const override { return Backend::epoll; }
  std::string calls;
  std::vector<std::optional<akm::Duration>> waits;
  bool refuse = false;
  std::size_t queued = 0;

 private:
  akm::Status arm_socket(SocketId) override {
    return refuse ? akm::fail(akm::Errc::io_failed) : akm::Status{};
  }
  akm::Status arm_watch(WatchId, const Watch&) override {
    return refuse ? akm::fail(akm::Errc::io_failed) : akm::Status{};
  }
  void disarm_watch(WatchId, const Watch&) override { calls += "d"; }
  akm::Status rearm_watch(WatchId, const Watch& before, const Watch& now) override {
    cr_assert_neq(before.generation, now.generation);
    calls += "r";
    return {};
  }
  akm::Status flush() override {
    calls += "f";
    queued += queue_.entries().size();
    queue_.clear();
    return {};
  }
  akm::Status wait_and_dispatch(std::optional<akm::Duration> timeout) override {
    calls += "w";
    waits.push_back(timeout);
    if (refuse) return akm::fail(akm::Errc::io_failed, "broken");
    stop();
    return {};
  }
};

}  // namespace

Test(loop_base, order_of_a_turn) {
  FakeLoop loop;
  std::optional<akm::Instant> deadline{akm::Instant{1}};
  loop.add_deadline([&] { return deadline; },
                    [&] {
                      loop.calls += "t";
                      deadline.reset();
                    });
  loop.at_end_of_turn([&] { loop.calls += "h"; });
  cr_assert(loop.run().has_value());
  cr_assert_str_eq(loop.calls.c_str(),
                   "thfwhf");  // stop() in the wait: hooks and sends of that turn are still done
  cr_assert(!loop.waits.at(0).has_value());  // nobody waits: for ever
  cr_assert_eq(loop.counters().turns, 1);
}

Test(loop_base, a_past_deadline_does_not_wait) {
  FakeLoop loop;
  loop.add_deadline([] { return akm::Instant{1}; }, [] {});
  cr_assert(loop.run().has_value());
  cr_assert_eq(loop.waits.at(0)->count(), 0);
}

Test(loop_base, errors_of_the_backend_end_the_run_and_leave_nothing_half_made) {
  FakeLoop loop;
  loop.refuse = true;
  cr_assert(loop.run().error().code == akm::Errc::io_failed);
  cr_assert(!loop.open_udp(suite::at("127.0.0.1:0"), {}).has_value());
  cr_assert_eq(loop.local_endpoint(0).port, 0);
  cr_assert(!loop.watch(0, POLLIN, {}).has_value());
  loop.refuse = false;
  cr_assert(loop.watch(0, POLLIN, {}).has_value());
}

Test(loop_base, watches_are_told_to_the_backend) {
  FakeLoop loop;
  const auto id = loop.watch(0, POLLIN, [](std::uint32_t) {}).value();
  cr_assert(loop.change_watch(id, POLLIN).has_value());  // no change, no call
  cr_assert(loop.change_watch(id, POLLOUT).has_value());
  loop.unwatch(id);
  loop.unwatch(id);
  cr_assert_str_eq(loop.calls.c_str(), "rd");
}

// A turn that sends more than the queue holds hands it over in parts.
Test(loop_base, an_overfull_queue_leaves_early) {
  FakeLoop loop;
  const auto socket = loop.open_udp(suite::at("127.0.0.1:0"), {}).value();
  for (std::size_t i = 0; i < SendQueue::kDatagrams + 1; ++i) {
    loop.send(socket, suite::at("127.0.0.1:9"), std::vector<std::uint8_t>(1));
  }
  cr_assert_eq(loop.queued, SendQueue::kDatagrams);
  cr_assert_eq(loop.counters().send_failures, 0);
}
