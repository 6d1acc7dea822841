#pragma once
// Bytes become an sd-bus message by the library's own way in: one end of a socket pair is an sd-bus
// connection, the other one writes. So a body need not be one that any writer would make.
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <functional>

#include "daemon/base/unique_fd.h"
#include "dbus/message.h"
#include "tests/fuzz/fuzz.h"

namespace akm::fuzz {

class WireBus {
 public:
  WireBus() {
    std::array<int, 2> ends{};
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0,
            "socketpair");
    ours_ = UniqueFd(ends[0]);
    require(sd_bus_new(&bus_) >= 0 && sd_bus_set_fd(bus_, ends[1], ends[1]) >= 0, "bus");
    require(sd_bus_set_server(bus_, 1, sd_id128_t{}) >= 0 && sd_bus_set_anonymous(bus_, 1) >= 0, "server");
    require(sd_bus_negotiate_fds(bus_, 1) >= 0 && sd_bus_start(bus_) >= 0, "start");
    constexpr std::string_view kHello("\0AUTH ANONYMOUS\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", 43);
    require(write(ours_.get(), kHello.data(), kHello.size()) == static_cast<ssize_t>(kHello.size()), "hello");
    while (sd_bus_is_ready(bus_) == 0) require(sd_bus_process(bus_, nullptr) >= 0, "handshake");
    (void)written();  // its part of the handshake
  }
  WireBus(const WireBus&) = delete;
  WireBus& operator=(const WireBus&) = delete;
  ~WireBus() { sd_bus_close_unref(bus_); }

  /// Hands `body` over as the arguments of a signal; nothing where the library refuses the message itself.
  /// `fd` goes with it unless it is negative.
  void receive(std::string_view signature, std::span<const std::uint8_t> body, int fd,
               const std::function<void(sd_bus_message*)>& take) {
    // The library takes an empty body without signature only.
    const auto bytes = message(body.empty() ? "" : signature, body, fd >= 0);
    send(bytes, fd);
    sd_bus_message* received = nullptr;
    while (received == nullptr) {
      const int r = sd_bus_process(bus_, &received);
      require(r >= 0, "the connection goes on");
      if (r == 0) return;
    }
    take(received);
    sd_bus_message_unref(received);
  }

  /// The other way round, for seeds: the body of the message that `fill` writes.
  std::vector<std::uint8_t> body_of(const std::function<void(dbus::Writer&)>& fill) {
    sd_bus_message* message = nullptr;
    require(sd_bus_message_new_signal(bus_, &message, "/a", "a.b", "C") >= 0, "new signal");
    dbus::Writer writer(message);
    fill(writer);
    require(writer.status() >= 0 && sd_bus_send(bus_, message, nullptr) >= 0 && sd_bus_flush(bus_) >= 0,
            "send");
    sd_bus_message_unref(message);
    const Bytes bytes = written();
    const std::size_t body = bytes.at(4) | std::size_t{bytes.at(5)} << 8;  // its length, in the header
    return {bytes.end() - static_cast<std::ptrdiff_t>(body), bytes.end()};
  }

 private:
  using Bytes = std::vector<std::uint8_t>;

  Bytes written() {
    Bytes out(std::size_t{64} * 1024);
    const ssize_t got = read(ours_.get(), out.data(), out.size());
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
  }

  static void number(Bytes& out, std::uint32_t value) {
    while (out.size() % 4 != 0) out.push_back(0);
    for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  static void field(Bytes& out, std::uint8_t code, std::uint8_t type, std::string_view value) {
    while (out.size() % 8 != 0) out.push_back(0);
    out.insert(out.end(), {code, 1, type, 0});
    if (type == 'g') {
      out.push_back(static_cast<std::uint8_t>(value.size()));
    } else {
      number(out, static_cast<std::uint32_t>(value.size()));
    }
    out.insert(out.end(), value.begin(), value.end());
    out.push_back(0);
  }
  // D-Bus specification, "Message Format"; little-endian.
  static Bytes message(std::string_view signature, std::span<const std::uint8_t> body, bool with_fd) {
    Bytes out{'l', SD_BUS_MESSAGE_SIGNAL, 0, 1};
    number(out, static_cast<std::uint32_t>(body.size()));
    number(out, 1);
    number(out, 0);  // length of the fields, known below
    field(out, 1, 'o', "/a");
    field(out, 2, 's', "a.b");
    field(out, 3, 's', "C");
    if (!signature.empty()) field(out, 8, 'g', signature);
    if (with_fd) {
      while (out.size() % 8 != 0) out.push_back(0);
      out.insert(out.end(), {9, 1, 'u', 0});
      number(out, 1);
    }
    const auto length = static_cast<std::uint32_t>(out.size() - 16);
    for (std::size_t i = 0; i < 4; ++i) out[12 + i] = static_cast<std::uint8_t>(length >> (8 * i));
    while (out.size() % 8 != 0) out.push_back(0);
    out.insert(out.end(), body.begin(), body.end());
    return out;
  }

  void send(Bytes bytes, int fd) {
    iovec part{bytes.data(), bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    if (fd >= 0) {
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      cmsghdr* passed = CMSG_FIRSTHDR(&header);
      passed->cmsg_level = SOL_SOCKET;
      passed->cmsg_type = SCM_RIGHTS;
      passed->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(passed), &fd, sizeof(int));
    }
    require(sendmsg(ours_.get(), &header, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()), "sendmsg");
  }

  UniqueFd ours_;
  sd_bus* bus_ = nullptr;
};

}  // namespace akm::fuzz
