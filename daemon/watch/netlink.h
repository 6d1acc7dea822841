#pragma once
// Questions to the kernel by netlink, and its answers, in a bounded way.
#include <linux/netlink.h>

#include <cstdint>
#include <functional>
#include <span>
#include <utility>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::watch {

class Netlink {
 public:
  /// `groups`: multicast groups as a mask (nl_groups); 0 for questions only. io_failed, not_supported.
  static Result<Netlink> open(int protocol, std::uint32_t groups = 0);

  using Each = std::function<void(std::uint16_t type, std::span<const std::uint8_t> payload)>;
  /// Sends a question and hands over all messages of the answer. Waits for the kernel alone, 200 ms at most
  /// for each part. io_failed with what the kernel said; not_authorized, timed_out.
  Status ask(std::uint16_t type, std::uint16_t flags, std::span<const std::uint8_t> body, const Each& each);
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Takes multicast messages; true when there were any, or some were lost.
  bool drain();

 private:
  explicit Netlink(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
  std::uint32_t sequence_ = 0;
};

/// The value of an attribute within a message; empty when it is not there. `skip`: bytes of the fixed header.
std::span<const std::uint8_t> attribute(std::span<const std::uint8_t> payload, std::size_t skip,
                                        std::uint16_t type);

}  // namespace akm::watch
