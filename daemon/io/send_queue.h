#pragma once
// The datagrams of one turn, in order, in one buffer.
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/io/udp_socket.h"

namespace akm::io {

class SendQueue {
 public:
  static constexpr std::size_t kDatagrams = 4096;
  static constexpr std::size_t kBytes = std::size_t{4} << 20;

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
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  /// Keeps the memory for the next turn, up to a little; a burst's memory is given back.
  void clear();

 private:
  std::vector<Entry> entries_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace akm::io
