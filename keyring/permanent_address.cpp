#include "keyring/permanent_address.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cstring>

#include "daemon/base/unique_fd.h"

namespace akm::keyring {
namespace {

// A link with all its attributes but statistics is some 2 KiB.
constexpr std::size_t kAnswerBytes = 32768;
// The kernel answers at once, within sendto(2); this is for none at all.
constexpr timeval kPatience{.tv_sec = 1, .tv_usec = 0};
// Messages of others that are passed over: root can send some to any netlink socket.
constexpr int kPassedOver = 16;

struct Question {
  nlmsghdr header{};
  ifinfomsg link{};
  rtattr name_head{};
  std::array<char, IFNAMSIZ> name{};
  rtattr mask_head{};
  std::uint32_t mask = 0;
};

Question question(const std::string& interface) {
  Question out;
  out.header.nlmsg_len = sizeof out;
  out.header.nlmsg_type = RTM_GETLINK;
  out.header.nlmsg_flags = NLM_F_REQUEST;
  out.header.nlmsg_seq = 1;
  out.name_head.rta_len = static_cast<unsigned short>(RTA_LENGTH(sizeof out.name));
  out.name_head.rta_type = IFLA_IFNAME;
  std::memcpy(out.name.data(), interface.data(), interface.size());
  out.mask_head.rta_len = static_cast<unsigned short>(RTA_LENGTH(sizeof out.mask));
  out.mask_head.rta_type = IFLA_EXT_MASK;
  out.mask = RTEXT_FILTER_SKIP_STATS;
  return out;
}

template <typename T>
std::optional<T> head_of(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T out;
  std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

}  // namespace

std::optional<std::vector<std::uint8_t>> permanent_address_in(std::span<const std::uint8_t> message) {
  const auto header = head_of<nlmsghdr>(message);
  constexpr std::size_t kBefore = NLMSG_LENGTH(0) + NLMSG_ALIGN(sizeof(ifinfomsg));
  if (!header || header->nlmsg_type != RTM_NEWLINK || header->nlmsg_len > message.size() ||
      header->nlmsg_len < kBefore)
    return std::nullopt;
  std::span<const std::uint8_t> rest = message.first(header->nlmsg_len).subspan(kBefore);
  while (const auto attribute = head_of<rtattr>(rest)) {
    if (attribute->rta_len < sizeof(rtattr) || attribute->rta_len > rest.size()) return std::nullopt;
    const auto value = rest.first(attribute->rta_len).subspan(RTA_LENGTH(0));
    if (attribute->rta_type == IFLA_PERM_ADDRESS)
      return std::vector<std::uint8_t>(value.begin(), value.end());
    rest = rest.subspan(std::min<std::size_t>(RTA_ALIGN(attribute->rta_len), rest.size()));
  }
  return std::nullopt;
}

Result<std::optional<std::vector<std::uint8_t>>> permanent_address(const std::string& interface) {
  if (interface.empty() || interface.size() >= IFNAMSIZ) return std::optional<std::vector<std::uint8_t>>();
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience) != 0)
    return fail_errno(Errc::io_failed, "rtnetlink");
  const Question asked = question(interface);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(socket.get(), &asked, sizeof asked, 0, reinterpret_cast<const sockaddr*>(&kernel),
               sizeof kernel) != static_cast<ssize_t>(sizeof asked))
    return fail_errno(Errc::io_failed, "rtnetlink");
  std::vector<std::uint8_t> answer(kAnswerBytes);
  for (int tried = 0; tried < kPassedOver; ++tried) {
    sockaddr_nl from{};
    socklen_t length = sizeof from;
    const ssize_t got = ::recvfrom(socket.get(), answer.data(), answer.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
    if (got < 0 && errno != EINTR) return fail_errno(Errc::io_failed, "rtnetlink");
    // The kernel's number is 0.
    if (got >= 0 && from.nl_pid == 0)
      return permanent_address_in({answer.data(), static_cast<std::size_t>(got)});
  }
  return fail(Errc::io_failed, "rtnetlink: the kernel does not answer");
}

}  // namespace akm::keyring
