// The data service's way from a datagram to the wire beside a bare sender: OpenSSL, and UDP GSO of as long
// runs.
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/base/unique_fd.h"
#include "daemon/io/send_message.h"
#include "daemon/protocol/data_payload.h"
#include "tools/akm-bench/bare_crypto.h"
#include "tools/akm-bench/cases.h"
#include "tools/akm-bench/group.h"
#include "tools/akm-bench/measure.h"

namespace akm::bench {
namespace {

constexpr std::size_t kRun = 32;

/// Two sockets on the loopback: what nobody reads, the kernel drops at the receiver's end.
struct Wire {
  io::UdpSocket sender = must(io::open_udp_socket(must(parse_endpoint("127.0.0.1:0"))));
  io::UdpSocket receiver = must(io::open_udp_socket(must(parse_endpoint("127.0.0.1:0"))));
  io::SocketAddress to = must(io::to_socket_address(receiver.local, AF_INET));

  void send(const io::SendQueue& queue) const {
    for (auto rest = queue.entries(); !rest.empty();) {
      io::SendMessage message;
      message.fill(queue, rest.first(io::SendQueue::run_of(rest)));
      if (::sendmsg(sender.fd.get(), &message.header, MSG_DONTWAIT) < 0 && errno != EAGAIN) stop("sendmsg");
      rest = rest.subspan(message.count);
    }
  }
};

}  // namespace

void data(std::size_t payload_bytes) {
  const Wire wire;
  const std::vector<std::uint8_t> payload(payload_bytes);
  const std::size_t frame_bytes = payload_bytes + protocol::kDataHeaderBytes + protocol::kFrameOverheadBytes;
  BareGcm gcm;
  io::SendQueue bare_queue;
  for (std::size_t i = 0; i < kRun; ++i)
    (void)bare_queue.push(0, wire.to, std::vector<std::uint8_t>(frame_bytes));
  const auto bare = [&](std::size_t n) {
    const std::vector<std::uint8_t> plain(payload_bytes + protocol::kDataHeaderBytes);
    std::vector<std::uint8_t> frame(frame_bytes);
    const auto all = std::span(frame);
    for (std::size_t i = 0; i < n; ++i) {
      gcm.seal(all.first(36), plain, all.subspan(36));
      if ((i + 1) % kRun == 0) wire.send(bare_queue);
    }
  };
  Group group(2, "");
  SystemRandom random;
  protocol::EffectList effects;
  io::SendQueue queue;
  const auto akm = [&](std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      group.engine(0).step(protocol::SendData{Group::kId, 1, payload}, boottime_now(), random, effects);
      for (const protocol::Effect& effect : effects) {
        if (const auto* datagram = std::get_if<protocol::SendDatagram>(&effect))
          (void)queue.push(0, wire.to, datagram->bytes);
      }
      if ((i + 1) % kRun != 0) continue;
      wire.send(queue);
      queue.clear();
    }
  };
  compare({.title = fmt::format("Data of {} bytes, sealed and sent in runs of {}", payload_bytes, kRun),
           .operations = 32'000,
           .limit = {"OpenSSL AES-256-GCM and UDP GSO", bare},
           .ours = {{"akm engine, send queue, UDP GSO", akm}},
           .target = 1 / 0.8});
}

void data_received(std::size_t payload_bytes) {
  BareGcm gcm;
  Group group(2, "");
  SystemRandom random;
  const std::vector<std::uint8_t> payload(payload_bytes);
  std::vector<std::uint8_t> frame(protocol::limits::kFrameBytes);
  protocol::EffectList effects;
  const std::vector<std::uint8_t> plain(payload_bytes + protocol::kDataHeaderBytes);
  std::vector<std::uint8_t> sealed(plain.size() + 16);
  std::vector<std::uint8_t> opened(plain.size());
  const std::array<std::uint8_t, 36> associated{};
  gcm.seal(associated, plain, sealed);
  const auto bare = [&](std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      gcm.seal(associated, plain, sealed);
      if (!gcm.open(associated, sealed, opened)) stop("open");
    }
  };
  const Endpoint from = must(parse_endpoint("127.0.0.1:7400"));
  const auto akm = [&](std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      group.engine(0).step(protocol::SendData{Group::kId, 1, payload}, boottime_now(), random, effects);
      const auto sent = std::get<protocol::SendDatagram>(effects.at(0)).bytes;
      std::memcpy(frame.data(), sent.data(), sent.size());
      const auto datagram = std::span(frame).first(sent.size());
      group.engine(1).step(protocol::FrameReceived{datagram, from}, boottime_now(), random, effects);
      if (effects.empty()) stop("a datagram was refused");
    }
  };
  compare({.title = fmt::format("Data of {} bytes, sealed and opened by two engines", payload_bytes),
           .operations = 20'000,
           .limit = {"OpenSSL AES-256-GCM, context and key kept", bare},
           .ours = {{"akm engines, and a copy for the wire", akm}},
           .target = 1 / 0.9});
}

}  // namespace akm::bench
