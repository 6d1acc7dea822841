#include "tools/akm-bench/bare_path.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <vector>

#include "daemon/base/atomic_file.h"
#include "daemon/base/instant.h"
#include "daemon/base/unique_fd.h"
#include "tools/akm-bench/measure.h"

namespace akm::bench {
namespace {

constexpr std::size_t kMembers = 4;
constexpr std::size_t kRecordBytes = 2000;
constexpr std::size_t kReportBytes = 400;
constexpr std::size_t kInstallBytes = 1200;
constexpr useconds_t kPause_us = 5000;  // everybody is asleep again: wake-ups are part of the path

struct Place {
  UniqueFd socket;
  sockaddr_in address{};
};

Place open_place() {
  Place place{UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), {}};
  place.address.sin_family = AF_INET;
  place.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof place.address;
  auto* const address = reinterpret_cast<sockaddr*>(&place.address);
  if (!place.socket || ::bind(place.socket.get(), address, size) != 0 ||
      ::getsockname(place.socket.get(), address, &size) != 0) {
    stop("a socket of the bare path");
  }
  return place;
}

void send_to(const Place& from, const Place& to, const void* bytes, std::size_t size) {
  const auto* const address = reinterpret_cast<const sockaddr*>(&to.address);
  if (::sendto(from.socket.get(), bytes, size, 0, address, sizeof to.address) < 0) stop("sendto");
}

/// Each datagram that comes is stored and passed on, for ever.
template <typename PassOn>
[[noreturn]] void serve(const Place& place, const std::string& file, PassOn pass_on) {
  std::array<std::uint8_t, 2048> room{};
  const std::vector<std::uint8_t> record(kRecordBytes, 0x55);
  for (;;) {
    if (::recv(place.socket.get(), room.data(), room.size(), 0) < 0) ::_exit(1);
    if (!file.empty()) must(write_file_atomically(file, record, 0600));
    pass_on();
  }
}

template <typename Work>
pid_t child(Work work) {
  const pid_t pid = ::fork();
  if (pid < 0) stop("fork");
  if (pid == 0) work();
  return pid;
}

}  // namespace

double bare_path_us(const std::string& folder, std::size_t rounds) {
  const Place node = open_place();
  const Place nmm = open_place();
  std::array<Place, kMembers> members;
  for (Place& member : members) member = open_place();
  const auto file = [&folder](const std::string& name) {
    return folder.empty() ? std::string() : folder + "/" + name;
  };
  std::vector<pid_t> children;
  const std::array<std::uint8_t, kInstallBytes> install{};
  children.push_back(child([&] {
    serve(nmm, file("nmm"), [&] {
      for (const Place& member : members) send_to(nmm, member, install.data(), install.size());
    });
  }));
  for (std::size_t i = 0; i < kMembers; ++i) {
    children.push_back(child([&, i] {
      serve(members[i], file("member" + std::to_string(i)), [&, i] {
        const std::int64_t at = boottime_now().ns;
        send_to(members[i], node, &at, sizeof at);
      });
    }));
  }
  std::vector<double> times;
  const std::array<std::uint8_t, kReportBytes> report{};
  for (std::size_t round = 0; round < rounds; ++round) {
    ::usleep(kPause_us);
    const std::int64_t start = boottime_now().ns;
    send_to(node, nmm, report.data(), report.size());
    std::int64_t last = 0;
    for (std::size_t i = 0; i < kMembers; ++i) {
      std::int64_t at = 0;
      if (::recv(node.socket.get(), &at, sizeof at, 0) != sizeof at) stop("recv");
      last = std::max(last, at);
    }
    times.push_back(static_cast<double>(last - start) / 1000);
  }
  for (const pid_t pid : children) {
    (void)::kill(pid, SIGKILL);
    (void)::waitpid(pid, nullptr, 0);
  }
  std::ranges::sort(times);
  return times[times.size() / 2];
}

void bare_path(std::size_t rounds) {
  const std::string folder = std::filesystem::temp_directory_path().string() + "/akm-bench-path";
  std::filesystem::create_directories(folder);
  const double hops = bare_path_us("", rounds);
  const double durable = bare_path_us(folder, rounds);
  fmt::print(
      "Bare path of a breach: report, {} installs; both datagrams bare {:.0f} us, NMM and members store "
      "durably {:.0f} us\n",
      kMembers, hops, durable);
  std::filesystem::remove_all(folder);
}

}  // namespace akm::bench
