#pragma once
// The datagrams of one turn, in order, in one buffer.
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/io/udp_socket.h"

namespace akm::io {

class SendQueue {
 public:
  static constexpr std::size_t kDatagrams = 4096;
  static constexpr std::size_t kBytes = std::size_t{4} << 20;
  static constexpr std::size_t kRunDatagrams = 64;  // the kernel's most (UDP_MAX_SEGMENTS)
  static constexpr std::size_t kRunBytes = 65'000;  // below the longest IP packet

  struct Entry {
    std::uint32_t socket = 0;
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
    SocketAddress to;
  };

  /// False when full or longer than kDatagramMaxBytes. The bytes are copied.
  bool push(std::uint32_t socket, const SocketAddress& to, std::span<const std::uint8_t> datagram);
  [[nodiscard]] std::span<const Entry> entries() const { return entries_; }
  [[nodiscard]] std::span<const std::uint8_t> bytes_of(const Entry& entry) const {
    return std::span(bytes_).subspan(entry.offset, entry.size);
  }
  /// How many of the first entries of `rest` may leave in one system call that cuts them apart: one address,
  /// one size (the last may be shorter), bytes that follow each other. At least 1 of a `rest` that is not
  /// empty.
  static std::size_t run_of(std::span<const Entry> rest);
  [[nodiscard]] std::span<const std::uint8_t> bytes_of(std::span<const Entry> run) const {
    return std::span(bytes_).subspan(run.front().offset,
                                     run.back().offset + run.back().size - run.front().offset);
  }
  /// How many datagrams push() takes for sure.
  [[nodiscard]] std::size_t room() const {
    return std::min(kDatagrams - entries_.size(), (kBytes - bytes_.size()) / kDatagramMaxBytes);
  }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  /// Keeps the memory for the next turn, up to a little; a burst's memory is given back.
  void clear();

 private:
  std::vector<Entry> entries_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace akm::io
