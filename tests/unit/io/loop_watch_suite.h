#pragma once
// The part of the loop's suite that is about descriptors and deadlines; run for both backends.
#include "tests/unit/io/loop_suite_support.h"

namespace akm::io::suite {

// Deadlines fire in the order of their times, not of their registration, and never early.
inline void deadlines_in_order(BackendChoice choice) {
  const auto loop = make(choice);
  const Instant start = boottime_now();
  std::array<std::optional<Instant>, 3> at_time{start + 30ms, start + 10ms, start + 20ms};
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < at_time.size(); ++i) {
    loop->add_deadline([&at_time, i] { return at_time[i]; },
                       [&, i] {
                         cr_assert(boottime_now() >= *at_time[i]);
                         at_time[i].reset();
                         order.push_back(i);
                         if (order.size() == 3) loop->stop();
                       });
  }
  cr_assert(loop->run().has_value());
  cr_assert(order == (std::vector<std::size_t>{1, 2, 0}));
}

// A deadline costs one wake-up, and an idle loop none.
inline void idle_does_not_wake(BackendChoice choice) {
  const auto loop = make(choice);
  std::optional<Instant> deadline = boottime_now() + 150ms;
  const auto socket =
      loop->open_udp(at("127.0.0.1:0"), [](std::span<std::uint8_t>, const Endpoint&) {}).value();
  cr_assert_neq(loop->local_endpoint(socket).port, 0);
  loop->add_deadline([&] { return deadline; },
                     [&] {
                       loop->stop();
                       deadline.reset();
                     });
  cr_assert(loop->run().has_value());
  cr_assert_leq(loop->counters().turns, 3);
}

inline void watch_is_level_triggered(BackendChoice choice) {
  const auto loop = make(choice);
  Guard guard(*loop);
  std::array<int, 2> ends{};
  cr_assert_eq(pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC), 0);
  cr_assert_eq(::write(ends[1], "abc", 3), 3);
  std::string read;
  const auto id = loop->watch(ends[0], POLLIN, [&](std::uint32_t events) {
    cr_assert(events & POLLIN);
    char c = 0;
    cr_assert_eq(::read(ends[0], &c, 1), 1);  // one byte only: the rest is told again
    read.push_back(c);
    if (read.size() == 3) loop->stop();
  });
  cr_assert(id.has_value());
  cr_assert(!loop->watch(ends[0], POLLIN, [](std::uint32_t) {}).has_value());  // one watch for one descriptor
  cr_assert(loop->run().has_value());
  cr_assert(!guard.expired);
  cr_assert_str_eq(read.c_str(), "abc");
  (void)close(ends[0]);
  (void)close(ends[1]);
}

// Two descriptors ready in the same turn, each of whose handlers ends both watches: one runs, once.
inline void unwatch_inside_handler(BackendChoice choice) {
  const auto loop = make(choice);
  Guard guard(*loop);
  std::array<int, 2> fds{eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC), eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)};
  std::array<Loop::WatchId, 2> ids{};
  int calls = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    ids[i] = loop->watch(fds[i], POLLIN,
                         [&](std::uint32_t) {
                           ++calls;
                           loop->unwatch(ids[0]);
                           loop->unwatch(ids[1]);
                         })
                 .value();
  }
  // A watch that has not ended is told again in the next turn.
  int turns_since = 0;
  loop->add_deadline([&] { return calls > 0 ? std::optional(Instant{}) : std::nullopt; },
                     [&] {
                       if (++turns_since == 3) loop->stop();
                     });
  cr_assert(loop->run().has_value());
  cr_assert(!guard.expired);
  cr_assert_eq(calls, 1);
  loop->unwatch(ids[0]);  // an ended watch: nothing
  cr_assert(loop->change_watch(ids[0], POLLIN).error().code == Errc::not_found);
  for (const int fd : fds) (void)close(fd);
}

// A handler ends its watch, closes the descriptor and watches another one under the same number and slot.
inline void descriptor_reused(BackendChoice choice) {
  const auto loop = make(choice);
  Guard guard(*loop);
  int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
  int first = 0;
  int second = 0;
  Loop::WatchId id = loop->watch(fd, POLLIN,
                                 [&](std::uint32_t) {
                                   ++first;
                                   loop->unwatch(id);
                                   const int number = fd;
                                   (void)close(fd);
                                   fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
                                   cr_assert_eq(fd, number);
                                   id = loop->watch(fd, POLLIN,
                                                    [&](std::uint32_t) {
                                                      if (++second == 2) loop->stop();
                                                    })
                                            .value();
                                 })
                         .value();
  cr_assert(loop->run().has_value());
  cr_assert(!guard.expired);
  cr_assert_eq(first, 1);
  cr_assert_eq(second, 2);
  loop->unwatch(id);
  (void)close(fd);
}

inline void change_watch_events(BackendChoice choice) {
  const auto loop = make(choice);
  Guard guard(*loop);
  std::array<int, 2> pair{};
  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()), 0);
  std::vector<std::uint32_t> seen;
  const auto id = loop->watch(pair[0], POLLIN,
                              [&](std::uint32_t events) {
                                seen.push_back(events & (POLLIN | POLLOUT));
                                loop->stop();
                              })
                      .value();
  cr_assert(loop->change_watch(id, POLLOUT).has_value());  // writable at once
  cr_assert(loop->run().has_value());
  cr_assert(loop->change_watch(id, POLLIN).has_value());
  cr_assert_eq(::write(pair[1], "x", 1), 1);
  cr_assert(loop->run().has_value());
  cr_assert(!guard.expired);
  cr_assert(seen == (std::vector<std::uint32_t>{POLLOUT, POLLIN}));
  loop->unwatch(id);
  for (const int end : pair) (void)close(end);
}

}  // namespace akm::io::suite
