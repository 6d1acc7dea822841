#include "daemon/io/uring_loop.h"

#include <sys/socket.h>

#include <cerrno>

#include "daemon/base/unique_fd.h"
#include "daemon/io/udp_socket.h"
#include "tests/unit/io/loop_suite.h"

AKM_LOOP_SUITE(uring_loop, akm::io::BackendChoice::io_uring)

Test(uring_loop, is_taken_and_needs_no_reason) {
  const auto loop = akm::io::suite::make(akm::io::BackendChoice::automatic);
  if (loop->backend() != akm::io::Backend::io_uring)
    cr_skip_test("io_uring: %s", loop->backend_reason().c_str());
  cr_assert(loop->backend_reason().empty());
}

// More datagrams in one turn than there are receive buffers (the kernel takes up to 32 of one socket at once,
// so there are several sockets): the multishot receives end with ENOBUFS, are counted, are armed again, and
// nothing is lost.
Test(uring_loop, exhausted_buffers_are_counted) {
  constexpr std::uint32_t kSockets = 32;
  constexpr std::uint32_t kEach = 40;
  const auto loop = akm::io::suite::make(akm::io::BackendChoice::io_uring);
  akm::io::suite::Guard guard(*loop);
  std::uint32_t received = 0;
  std::vector<akm::io::Loop::SocketId> sockets;
  for (std::uint32_t i = 0; i < kSockets; ++i) {
    sockets.push_back(loop->open_udp(akm::io::suite::at("127.0.0.1:0"),
                                     [&](std::span<std::uint8_t>, const akm::Endpoint&) {
                                       if (++received == kSockets * kEach) loop->stop();
                                     })
                          .value());
  }
  for (std::uint32_t i = 0; i < kSockets * kEach; ++i) {
    loop->send(sockets[0], loop->local_endpoint(sockets[i % kSockets]), akm::io::suite::numbered(i, 64));
  }
  cr_assert(loop->run().has_value());
  cr_assert(!guard.expired);
  cr_assert_eq(received, kSockets * kEach);
  cr_assert_gt(loop->counters().buffers_exhausted, 0);
}

// A daemon that starts anew at once listens where the one before did.
Test(uring_loop, gives_its_addresses_back_with_its_end) {
  for (int i = 0; i < 200; ++i) {
    auto loop = akm::io::suite::make(akm::io::BackendChoice::io_uring);
    const auto socket =
        loop->open_udp(akm::io::suite::at("127.0.0.1:0"), [&](auto, const akm::Endpoint&) { loop->stop(); });
    const akm::Endpoint address = loop->local_endpoint(*socket);
    loop->send(*socket, address, akm::io::suite::numbered(1, 64));
    cr_assert(loop->run().has_value());
    loop.reset();
    const akm::UniqueFd next(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto name = *akm::io::to_socket_address(address, AF_INET);
    cr_assert_eq(bind(next.get(), reinterpret_cast<const sockaddr*>(&name.storage), name.size), 0,
                 "time %d: errno %d", i, errno);
  }
}
