#include "daemon/watch/netlink.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

namespace akm::watch {
namespace {

constexpr std::size_t kDatagramBytes = 64 * 1024;
constexpr int kDatagramsMax = 1024;  // of one answer
// Most answers are there when the question has been sent; those of audit come from a thread of the kernel.
constexpr int kAnswerMs = 200;
constexpr std::size_t kMessageBytes = 4096;

template <typename T>
T read_as(std::span<const std::uint8_t> bytes) {
  T out{};
  if (bytes.size() >= sizeof out) std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

constexpr std::size_t aligned(std::size_t length) {
  return (length + 3) & ~std::size_t{3};
}

/// Messages of one datagram; true when the answer has ended. `error` takes what the kernel says.
bool take_messages(std::span<const std::uint8_t> rest, std::uint32_t sequence, const Netlink::Each& each,
                   int& error) {
  while (rest.size() >= sizeof(nlmsghdr)) {
    const auto head = read_as<nlmsghdr>(rest);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > rest.size()) return true;
    const auto body = rest.subspan(sizeof head, head.nlmsg_len - sizeof head);
    if (head.nlmsg_seq == sequence) {
      if (head.nlmsg_type == NLMSG_DONE) return true;
      if (head.nlmsg_type == NLMSG_ERROR) {
        error = -read_as<nlmsgerr>(body).error;
        return true;
      }
      each(head.nlmsg_type, body);
      if ((head.nlmsg_flags & NLM_F_MULTI) == 0) return true;
    }
    rest = rest.subspan(std::min(rest.size(), aligned(head.nlmsg_len)));
  }
  return false;
}

}  // namespace

Result<Netlink> Netlink::open(int protocol, std::uint32_t groups) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno(Errc::io_failed, "netlink " + std::to_string(protocol));
  return Netlink(std::move(fd));
}

Status Netlink::ask(std::uint16_t type, std::uint16_t flags, std::span<const std::uint8_t> body,
                    const Each& each) {
  std::array<std::uint8_t, kMessageBytes> message{};
  nlmsghdr head{};
  if (body.size() > message.size() - sizeof head) return fail(Errc::too_large, "netlink question");
  head.nlmsg_len = static_cast<std::uint32_t>(sizeof head + body.size());
  head.nlmsg_type = type;
  head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  head.nlmsg_seq = ++sequence_;
  std::memcpy(message.data(), &head, sizeof head);
  if (!body.empty()) std::memcpy(message.data() + sizeof head, body.data(), body.size());
  if (::send(fd_.get(), message.data(), head.nlmsg_len, 0) < 0)
    return fail_errno(Errc::io_failed, "netlink question");
  std::vector<std::uint8_t> datagram(kDatagramBytes);
  int error = 0;
  for (int left = kDatagramsMax; left > 0; --left) {
    pollfd ready{fd_.get(), POLLIN, 0};
    if (::poll(&ready, 1, kAnswerMs) == 0) return fail(Errc::timed_out, "netlink answer");
    const ssize_t got = ::recv(fd_.get(), datagram.data(), datagram.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(Errc::io_failed, "netlink answer");
    if (take_messages({datagram.data(), static_cast<std::size_t>(got)}, sequence_, each, error)) break;
  }
  if (error == EPERM || error == EACCES) return fail(Errc::not_authorized, "netlink");
  if (error != 0) return fail_errno(Errc::io_failed, "netlink answer", error);
  return {};
}

bool Netlink::drain() {
  std::array<std::uint8_t, kMessageBytes> datagram{};
  bool any = false;
  for (int left = kDatagramsMax; left > 0; --left) {
    const ssize_t got = ::recv(fd_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT);
    if (got < 0 && errno != ENOBUFS) break;
    any = true;
  }
  return any;
}

std::span<const std::uint8_t> attribute(std::span<const std::uint8_t> payload, std::size_t skip,
                                        std::uint16_t type) {
  std::span<const std::uint8_t> rest = payload.subspan(std::min(payload.size(), aligned(skip)));
  while (rest.size() >= sizeof(nlattr)) {
    const auto head = read_as<nlattr>(rest);
    if (head.nla_len < sizeof head || head.nla_len > rest.size()) break;
    if ((head.nla_type & NLA_TYPE_MASK) == type) return rest.subspan(sizeof head, head.nla_len - sizeof head);
    rest = rest.subspan(std::min(rest.size(), aligned(head.nla_len)));
  }
  return {};
}

}  // namespace akm::watch
