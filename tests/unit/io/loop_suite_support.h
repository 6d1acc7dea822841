#pragma once
// The cases that hold for both backends; test_uring_loop.cpp and test_epoll_loop.cpp each register them all.
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <numeric>
#include <string>
#include <vector>

#include "daemon/io/loop.h"
#include "tests/support/run_program.h"

namespace akm::io::suite {

using namespace std::chrono_literals;

inline std::unique_ptr<Loop> make(BackendChoice choice) {
  auto loop = Loop::create(choice);
  if (!loop && choice == BackendChoice::io_uring) cr_skip_test("io_uring: %s", loop.error().detail.c_str());
  cr_assert(loop.has_value());
  return std::move(*loop);
}

inline Endpoint at(const char* text) {
  return parse_endpoint(text).value();
}

// A test must end: what has not come by then has failed.
class Guard {
 public:
  explicit Guard(Loop& loop, Duration limit = 20s) : at_(boottime_now() + limit) {
    loop.add_deadline([this] { return std::optional(at_); },
                      [this, &loop] {
                        expired = true;
                        at_ = at_ + 3600s;
                        loop.stop();
                      });
  }
  bool expired = false;

 private:
  Instant at_;
};

inline std::vector<std::uint8_t> numbered(std::uint32_t number, std::size_t size) {
  std::vector<std::uint8_t> out(size, static_cast<std::uint8_t>(number));
  for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(number >> (8 * i));
  return out;
}
inline std::uint32_t number_of(std::span<const std::uint8_t> datagram) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < 4; ++i) out |= std::uint32_t{datagram[i]} << (8 * i);
  return out;
}

}  // namespace akm::io::suite
