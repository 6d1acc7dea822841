#pragma once
// A program that uses the data service, well or badly.
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"

namespace akm::test {

class DataClient {
 public:
  /// error() is errno of connect(2).
  explicit DataClient(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    error_ =
        ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
  }
  [[nodiscard]] int error() const { return error_; }
  [[nodiscard]] bool send(std::uint16_t to, const std::vector<std::uint8_t>& payload,
                          std::uint16_t reserved = 0) {
    std::vector<std::uint8_t> bytes{static_cast<std::uint8_t>(to >> 8), static_cast<std::uint8_t>(to),
                                    static_cast<std::uint8_t>(reserved >> 8),
                                    static_cast<std::uint8_t>(reserved)};
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return send_raw(bytes);
  }
  [[nodiscard]] bool send_raw(const std::vector<std::uint8_t>& bytes) {
    return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  /// The next message; none when there is none, empty at the end of the connection.
  std::optional<std::vector<std::uint8_t>> receive() {
    std::vector<std::uint8_t> bytes(4096);
    const ssize_t size = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN ? std::nullopt : std::optional(std::vector<std::uint8_t>{});
    bytes.resize(static_cast<std::size_t>(size));
    return bytes;
  }
  [[nodiscard]] bool ended() {
    const auto message = receive();
    return message && message->empty();
  }
  void close() { fd_.reset(); }

 private:
  UniqueFd fd_;
  int error_ = 0;
};

}  // namespace akm::test
