#include "daemon/io/send_queue.h"

#include <cstring>

namespace akm::io {

bool SendQueue::push(std::uint32_t socket, const SocketAddress& to, std::span<const std::uint8_t> datagram) {
  if (entries_.size() == kDatagrams || datagram.size() > kDatagramMaxBytes ||
      bytes_.size() + datagram.size() > kBytes) {
    return false;
  }
  entries_.push_back(
      {socket, static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(datagram.size()), to});
  bytes_.insert(bytes_.end(), datagram.begin(), datagram.end());
  return true;
}

std::size_t SendQueue::run_of(std::span<const Entry> rest) {
  const Entry& first = rest.front();
  std::size_t count = 1;
  std::size_t bytes = first.size;
  while (count < rest.size() && count < kRunDatagrams) {
    const Entry& next = rest[count];
    if (next.socket != first.socket || next.size > first.size || next.size == 0 ||
        next.offset != first.offset + bytes || bytes + next.size > kRunBytes ||
        next.to.size != first.to.size ||
        std::memcmp(&next.to.storage, &first.to.storage, first.to.size) != 0) {
      break;
    }
    bytes += next.size;
    ++count;
    if (next.size < first.size) break;
  }
  return count;
}

void SendQueue::clear() {
  constexpr std::size_t kKeptBytes = 64 * 1024;
  if (bytes_.capacity() > kKeptBytes) {
    entries_ = {};
    bytes_ = {};
  }
  entries_.clear();
  bytes_.clear();
}

}  // namespace akm::io
