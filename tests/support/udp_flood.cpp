// Sends datagrams that nobody asked for at a rate, and prints how many the kernel took:
//   udp_flood TARGET PORT PER_SECOND SECONDS garbage|unknown|forged|spoofed [ASR_ID [LEAST]]
// It goes on after SECONDS until it has sent LEAST, on a machine that is too slow for the rate.
// garbage: random bytes of random length. unknown: frames of random ASRs. forged: frames of ASR_ID that do
// not open. spoofed: the same, each from an invented address (raw sockets: root).
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kFrame = 100;
constexpr std::size_t kHeaders = sizeof(ip) + sizeof(udphdr);

enum class Kind { garbage, unknown, forged, spoofed };

Kind kind_of(const std::string& name) {
  if (name == "unknown") return Kind::unknown;
  if (name == "forged") return Kind::forged;
  return name == "spoofed" ? Kind::spoofed : Kind::garbage;
}

struct Flood {
  Kind kind{};
  sockaddr_in target{};
  std::uint64_t asr_id = 0;
  std::mt19937_64 random{std::random_device{}()};

  void fill(std::uint8_t* at, std::size_t size) {
    for (std::size_t i = 0; i < size; i += sizeof(std::uint64_t)) {
      const std::uint64_t word = random();
      std::memcpy(at + i, &word, std::min(sizeof word, size - i));
    }
  }
  /// The whole datagram, into at most 1,280 bytes.
  std::size_t make(std::uint8_t* at) {
    if (kind == Kind::garbage) {
      const std::size_t size = 1 + random() % 1200;
      fill(at, size);
      return size;
    }
    std::size_t before = 0;
    if (kind == Kind::spoofed) before = put_headers(at);
    std::uint8_t* frame = at + before;
    fill(frame, kFrame);
    frame[0] = 0x11;
    frame[1] = 0;
    const std::uint64_t id = kind == Kind::unknown ? random() : asr_id;
    for (std::size_t i = 0; i < 8; ++i) frame[8 + i] = static_cast<std::uint8_t>(id >> (56 - 8 * i));
    return before + kFrame;
  }
  std::size_t put_headers(std::uint8_t* at) {
    ip header{};
    header.ip_v = 4;
    header.ip_hl = 5;
    header.ip_ttl = 64;
    header.ip_p = IPPROTO_UDP;
    header.ip_len = htons(kHeaders + kFrame);
    header.ip_src.s_addr =
        htonl(0xc6120000U | static_cast<std::uint32_t>(random() & 0x1ffff));  // 198.18.0.0/15
    header.ip_dst = target.sin_addr;
    udphdr udp{};
    udp.source = htons(7400);
    udp.dest = target.sin_port;
    udp.len = htons(sizeof(udphdr) + kFrame);
    std::memcpy(at, &header, sizeof header);
    std::memcpy(at + sizeof header, &udp, sizeof udp);
    return kHeaders;
  }
};

std::uint64_t run(Flood& flood, int socket, std::uint64_t per_second, double seconds, std::uint64_t least) {
  std::vector<std::array<std::uint8_t, 1288>> rooms(kBatch);
  std::array<iovec, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t sent = 0;
  for (;;) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    if (passed.count() >= seconds && sent >= least) return sent;
    if (static_cast<double>(sent) > passed.count() * static_cast<double>(per_second)) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      continue;
    }
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts[i] = {rooms[i].data(), flood.make(rooms[i].data())};
      messages[i].msg_hdr = {&flood.target, sizeof flood.target, &parts[i], 1, nullptr, 0, 0};
    }
    const int done = ::sendmmsg(socket, messages.data(), kBatch, 0);
    if (done > 0) sent += static_cast<std::uint64_t>(done);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "udp_flood TARGET PORT PER_SECOND SECONDS KIND [ASR_ID [LEAST]]\n");
    return 2;
  }
  Flood flood;
  flood.kind = kind_of(argv[5]);
  flood.target.sin_family = AF_INET;
  flood.target.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
  if (::inet_pton(AF_INET, argv[1], &flood.target.sin_addr) != 1) return 2;
  if (argc > 6) flood.asr_id = std::strtoull(argv[6], nullptr, 16);
  const bool raw = flood.kind == Kind::spoofed;
  const int socket = raw ? ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)
                         : ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) {
    std::perror("socket");
    return 1;
  }
  const std::uint64_t least = argc > 7 ? std::strtoull(argv[7], nullptr, 10) : 0;
  const std::uint64_t sent =
      run(flood, socket, std::strtoull(argv[3], nullptr, 10), std::strtod(argv[4], nullptr), least);
  std::printf("%llu\n", static_cast<unsigned long long>(sent));
  ::close(socket);
  return 0;
}
