#pragma once
// The suite that both backends pass: datagrams here, descriptors and deadlines in loop_watch_suite.h.
#include "tests/unit/io/loop_suite_support.h"
#include "tests/unit/io/loop_watch_suite.h"

namespace akm::io::suite {

inline void echo(BackendChoice choice, const char* address) {
  const auto loop = make(choice);
  Guard guard(*loop);
  Loop::SocketId server = 0;
  std::vector<std::uint8_t> answer;
  Endpoint answered_by;
  server = loop->open_udp(at(address),
                          [&](std::span<std::uint8_t> datagram, const Endpoint& from) {
                            datagram[0] ^= 0xff;  // the datagram is lent: it may be changed
                            loop->send(server, from, datagram);
                          })
               .value();
  const auto client = loop->open_udp(at(address),
                                     [&](std::span<std::uint8_t> datagram, const Endpoint& from) {
                                       answer.assign(datagram.begin(), datagram.end());
                                       answered_by = from;
                                       loop->stop();
                                     })
                          .value();
  cr_assert_neq(loop->local_endpoint(server).port, 0);
  const std::vector<std::uint8_t> question{1, 2, 3};
  loop->send(client, loop->local_endpoint(server), question);
  cr_assert(loop->run().has_value());
  cr_assert(!guard.expired);
  cr_assert(answer == (std::vector<std::uint8_t>{0xfe, 2, 3}));
  cr_assert(answered_by == loop->local_endpoint(server));
  cr_assert_eq(loop->counters().datagrams_sent, 2);
  cr_assert_eq(loop->counters().datagrams_received, 2);
}

// A handler that is about to block has its datagrams leave first, once.
inline void send_queued(BackendChoice choice) {
  const auto loop = make(choice);
  Guard guard(*loop);
  const akm::UniqueFd outside(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  cr_assert_eq(::bind(outside.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  cr_assert_eq(::getsockname(outside.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  Endpoint to = at("127.0.0.1:1");
  to.port = ntohs(address.sin_port);
  const auto received = [&outside] {
    std::uint8_t room[16];
    return ::recv(outside.get(), room, sizeof room, 0);
  };
  const auto socket =
      loop->open_udp(at("127.0.0.1:0"), [](std::span<std::uint8_t>, const Endpoint&) {}).value();
  bool before = true;
  loop->add_deadline([&before] { return before ? std::optional(Instant{1}) : std::nullopt; },
                     [&] {
                       before = false;
                       loop->send(socket, to, std::vector<std::uint8_t>{7, 8});
                       cr_assert_lt(received(), 0, "it waits for the end of the turn");
                       loop->send_queued();
                       cr_assert_eq(received(), 2);
                       loop->send_queued();
                       loop->send(socket, to, std::vector<std::uint8_t>{9});
                       loop->stop();
                     });
  cr_assert(loop->run().has_value());
  cr_assert(!guard.expired);
  cr_assert_eq(received(), 1, "what came after leaves with the turn");
  cr_assert_lt(received(), 0);
  cr_assert_eq(loop->counters().datagrams_sent, 2);
}

// Dual stack: an IPv4 peer of an [::] socket has its mapped address, and is answered.
inline void dual_stack(BackendChoice choice) {
  const auto loop = make(choice);
  Guard guard(*loop);
  Loop::SocketId server = 0;
  bool answered = false;
  server = loop->open_udp(at("[::]:0"),
                          [&](std::span<std::uint8_t> datagram, const Endpoint& from) {
                            cr_assert(from.is_ipv4());
                            loop->send(server, from, datagram);
                          })
               .value();
  const auto client = loop->open_udp(at("127.0.0.1:0"),
                                     [&](std::span<std::uint8_t>, const Endpoint&) {
                                       answered = true;
                                       loop->stop();
                                     })
                          .value();
  Endpoint to = at("127.0.0.1:1");
  to.port = loop->local_endpoint(server).port;
  loop->send(client, to, std::vector<std::uint8_t>{7});
  cr_assert(loop->run().has_value());
  cr_assert(answered && !guard.expired);
}

// 10,000 datagrams, more than the queue and the receive buffers hold, in one turn: each is received, or
// counted as refused or as dropped by the kernel, and what is received is whole and in order.
inline void burst(BackendChoice choice) {
  constexpr std::uint32_t kCount = 10'000;
  const auto loop = make(choice);
  Guard guard(*loop);
  std::vector<std::uint32_t> received;
  const auto server =
      loop->open_udp(at("127.0.0.1:0"),
                     [&](std::span<std::uint8_t> datagram, const Endpoint&) {
                       if (datagram.size() == 5) return loop->stop();
                       cr_assert_eq(datagram.size(), 300);
                       cr_assert_eq(datagram[299], static_cast<std::uint8_t>(number_of(datagram)));
                       received.push_back(number_of(datagram));
                     })
          .value();
  const auto client =
      loop->open_udp(at("127.0.0.1:0"), [](std::span<std::uint8_t>, const Endpoint&) {}).value();
  const Endpoint to = loop->local_endpoint(server);
  for (std::uint32_t i = 0; i < kCount; ++i) loop->send(client, to, numbered(i, 300));
  // The last word is repeated until it arrives.
  Instant next = boottime_now();
  loop->add_deadline([&] { return std::optional(next); },
                     [&] {
                       loop->send(client, to, numbered(0, 5));
                       next = boottime_now() + 20ms;
                     });
  cr_assert(loop->run().has_value());
  cr_assert(!guard.expired);
  const auto& counters = loop->counters();
  cr_assert(std::is_sorted(received.begin(), received.end()));
  cr_assert(std::adjacent_find(received.begin(), received.end()) == received.end());
  cr_assert_gt(received.size(), 100);
  const std::uint64_t last_words = counters.datagrams_received - received.size();
  cr_assert_geq(received.size() + counters.send_failures + counters.dropped_by_kernel + last_words, kCount);
  cr_assert_leq(received.size(), kCount);
  cr_assert_geq(counters.datagrams_sent, received.size());
}

// The reader does not run while the datagrams arrive: they wait in the kernel, or are counted.
inline void slow_reader(BackendChoice choice) {
  constexpr std::uint32_t kCount = 3'000;  // beyond the receive buffers of either backend
  const auto loop = make(choice);
  Guard guard(*loop);
  std::uint32_t received = 0;
  const auto server = loop->open_udp(at("127.0.0.1:0"),
                                     [&](std::span<std::uint8_t> datagram, const Endpoint&) {
                                       cr_assert_eq(datagram.size(), 1200);
                                       ++received;
                                     })
                          .value();
  const int sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(loop->local_endpoint(server).port);
  to.sin_addr.s_addr = htonl(0x7f000001);
  for (std::uint32_t i = 0; i < kCount; ++i) {
    const auto datagram = numbered(i, 1200);
    cr_assert_eq(
        sendto(sender, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
        1200);
  }
  (void)close(sender);
  loop->at_end_of_turn([&] {
    if (received + loop->counters().dropped_by_kernel >= kCount) loop->stop();
  });
  cr_assert(loop->run().has_value());
  cr_assert(!guard.expired);
  cr_assert_eq(received + loop->counters().dropped_by_kernel, kCount);
  cr_assert_gt(received, 0);
}

inline void oversize_and_unreachable(BackendChoice choice) {
  const auto loop = make(choice);
  Guard guard(*loop);
  std::size_t largest = 0;
  const auto socket = loop->open_udp(at("127.0.0.1:0"),
                                     [&](std::span<std::uint8_t> datagram, const Endpoint&) {
                                       largest = datagram.size();
                                       loop->stop();
                                     })
                          .value();
  loop->send(socket, loop->local_endpoint(socket),
             std::vector<std::uint8_t>(1985));                      // more than a datagram may be
  loop->send(socket, at("[::1]:9"), std::vector<std::uint8_t>(8));  // no IPv6 from an IPv4 socket
  loop->send(socket + 1, loop->local_endpoint(socket), std::vector<std::uint8_t>(8));  // no such socket
  cr_assert_eq(loop->counters().send_failures, 3);
  loop->send(socket, at("255.255.255.255:9"),
             std::vector<std::uint8_t>(8));  // the kernel refuses: no SO_BROADCAST
  loop->send(socket, loop->local_endpoint(socket), std::vector<std::uint8_t>(1984));
  cr_assert(loop->run().has_value());
  cr_assert(!guard.expired);
  cr_assert_eq(largest, 1984);
  cr_assert_eq(loop->counters().send_failures, 4);
  cr_assert_eq(loop->counters().datagrams_sent, 1);
}

// A longer datagram than any frame comes cut, but longer than a frame.
inline void long_datagram_is_cut(BackendChoice choice) {
  const auto loop = make(choice);
  Guard guard(*loop);
  std::size_t size = 0;
  const auto server = loop->open_udp(at("127.0.0.1:0"),
                                     [&](std::span<std::uint8_t> datagram, const Endpoint&) {
                                       size = datagram.size();
                                       loop->stop();
                                     })
                          .value();
  const int sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(loop->local_endpoint(server).port);
  to.sin_addr.s_addr = htonl(0x7f000001);
  const std::vector<std::uint8_t> datagram(9000, 1);
  cr_assert_eq(
      sendto(sender, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to), 9000);
  (void)close(sender);
  cr_assert(loop->run().has_value());
  cr_assert(!guard.expired);
  cr_assert_gt(size, 1200);
  cr_assert_lt(size, 2049);
}

inline void address_in_use(BackendChoice choice) {
  const auto loop = make(choice);
  const auto first =
      loop->open_udp(at("127.0.0.1:0"), [](std::span<std::uint8_t>, const Endpoint&) {}).value();
  const auto second =
      loop->open_udp(loop->local_endpoint(first), [](std::span<std::uint8_t>, const Endpoint&) {});
  cr_assert(!second.has_value());
  cr_assert(second.error().code == Errc::io_failed);
}

// What a handler sends when it stops the loop still leaves; hooks run before the wait; run() can be called
// again.
inline void stop_flushes_and_restarts(BackendChoice choice) {
  const auto loop = make(choice);
  Guard guard(*loop);
  int hooks = 0;
  int received = 0;
  const auto socket = loop->open_udp(at("127.0.0.1:0"),
                                     [&](std::span<std::uint8_t>, const Endpoint&) {
                                       ++received;
                                       loop->stop();
                                     })
                          .value();
  loop->at_end_of_turn([&] {
    if (++hooks == 1) loop->send(socket, loop->local_endpoint(socket), std::vector<std::uint8_t>{1});
  });
  cr_assert(loop->run().has_value());
  cr_assert_eq(received, 1);
  cr_assert_geq(hooks, 2);
  loop->send(socket, loop->local_endpoint(socket), std::vector<std::uint8_t>{2});
  cr_assert(loop->run().has_value());
  cr_assert_eq(received, 2);
  cr_assert(!guard.expired);
}

// As many sockets as there may be, all used in one turn; one more is refused.
inline void many_sockets(BackendChoice choice) {
  const auto loop = make(choice);
  Guard guard(*loop);
  std::size_t received = 0;
  std::vector<Loop::SocketId> sockets;
  for (int i = 0; i < 64; ++i) {
    sockets.push_back(loop->open_udp(at("127.0.0.1:0"),
                                     [&](std::span<std::uint8_t>, const Endpoint&) {
                                       if (++received == 64) loop->stop();
                                     })
                          .value());
  }
  const auto more = loop->open_udp(at("127.0.0.1:0"), [](std::span<std::uint8_t>, const Endpoint&) {});
  cr_assert(!more.has_value() && more.error().code == Errc::limit_exceeded);
  for (std::size_t i = 0; i < 64; ++i) {
    loop->send(sockets[i], loop->local_endpoint(sockets[63 - i]), std::vector<std::uint8_t>{1});
  }
  cr_assert(loop->run().has_value());
  cr_assert(!guard.expired);
  cr_assert_eq(received, 64);
}

// A slow link fills the send buffer: the datagrams wait for room, and all leave. (A busy machine may then let
// the receive buffer overflow; the kernel counts that.)
inline void full_send_buffer(BackendChoice choice) {
  constexpr std::size_t kCount = 4'000;
  if (unshare(CLONE_NEWNET) != 0) cr_skip_test("needs root for a network of its own");
  if (test::run_program({"ip", "link", "set", "lo", "up"}).exit_code != 0 ||
      test::run_program({"tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "100mbit", "burst", "20kb",
                         "limit", "40mb"})
              .exit_code != 0) {
    cr_skip_test("needs tc and its tbf queue for a slow link");
  }
  const auto loop = make(choice);
  Guard guard(*loop);
  std::size_t received = 0;
  std::size_t unsent = 0;
  const auto server =
      loop->open_udp(at("127.0.0.1:0"), [&](std::span<std::uint8_t>, const Endpoint&) { ++received; })
          .value();
  const auto client =
      loop->open_udp(at("127.0.0.1:0"), [](std::span<std::uint8_t>, const Endpoint&) {}).value();
  for (std::uint32_t i = 0; i < kCount; ++i)
    loop->send(client, loop->local_endpoint(server), numbered(i, 1900));
  loop->at_end_of_turn([&] {
    const std::size_t waiting = kCount - loop->counters().datagrams_sent - loop->counters().send_failures;
    if (loop->counters().turns > 0) unsent = std::max(unsent, waiting);
  });
  Instant look = boottime_now();
  loop->add_deadline([&] { return std::optional(look); },
                     [&] {
                       look = boottime_now() + 10ms;
                       if (received + loop->counters().dropped_by_kernel == kCount) loop->stop();
                     });
  cr_assert(loop->run().has_value());
  cr_assert(!guard.expired);
  cr_assert_eq(loop->counters().send_failures, 0);
  cr_assert_eq(loop->counters().datagrams_sent, kCount);
  cr_assert_gt(unsent, 0);  // some did wait for a later turn
}

}  // namespace akm::io::suite

// One Criterion test of each case for the backend CHOICE.
#define AKM_LOOP_SUITE(SUITE, CHOICE)                  \
  Test(SUITE, echo_ipv4) {                             \
    akm::io::suite::echo(CHOICE, "127.0.0.1:0");       \
  }                                                    \
  Test(SUITE, echo_ipv6) {                             \
    akm::io::suite::echo(CHOICE, "[::1]:0");           \
  }                                                    \
  Test(SUITE, send_queued) {                           \
    akm::io::suite::send_queued(CHOICE);               \
  }                                                    \
  Test(SUITE, dual_stack) {                            \
    akm::io::suite::dual_stack(CHOICE);                \
  }                                                    \
  Test(SUITE, burst) {                                 \
    akm::io::suite::burst(CHOICE);                     \
  }                                                    \
  Test(SUITE, slow_reader) {                           \
    akm::io::suite::slow_reader(CHOICE);               \
  }                                                    \
  Test(SUITE, oversize_and_unreachable) {              \
    akm::io::suite::oversize_and_unreachable(CHOICE);  \
  }                                                    \
  Test(SUITE, long_datagram_is_cut) {                  \
    akm::io::suite::long_datagram_is_cut(CHOICE);      \
  }                                                    \
  Test(SUITE, address_in_use) {                        \
    akm::io::suite::address_in_use(CHOICE);            \
  }                                                    \
  Test(SUITE, deadlines_in_order) {                    \
    akm::io::suite::deadlines_in_order(CHOICE);        \
  }                                                    \
  Test(SUITE, idle_does_not_wake) {                    \
    akm::io::suite::idle_does_not_wake(CHOICE);        \
  }                                                    \
  Test(SUITE, watch_is_level_triggered) {              \
    akm::io::suite::watch_is_level_triggered(CHOICE);  \
  }                                                    \
  Test(SUITE, unwatch_inside_handler) {                \
    akm::io::suite::unwatch_inside_handler(CHOICE);    \
  }                                                    \
  Test(SUITE, descriptor_reused) {                     \
    akm::io::suite::descriptor_reused(CHOICE);         \
  }                                                    \
  Test(SUITE, change_watch_events) {                   \
    akm::io::suite::change_watch_events(CHOICE);       \
  }                                                    \
  Test(SUITE, stop_flushes_and_restarts) {             \
    akm::io::suite::stop_flushes_and_restarts(CHOICE); \
  }                                                    \
  Test(SUITE, full_send_buffer) {                      \
    akm::io::suite::full_send_buffer(CHOICE);          \
  }                                                    \
  Test(SUITE, many_sockets) {                          \
    akm::io::suite::many_sockets(CHOICE);              \
  }
