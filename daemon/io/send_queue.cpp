#include "daemon/io/send_queue.h"

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
