#include "bpf/loader/generic_netlink.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "daemon/base/unique_fd.h"

namespace akm::bpf {
namespace {

constexpr std::size_t kPartBytes = 32768;  // what the kernel makes of a list at the most
constexpr unsigned kParts = 64;
constexpr timeval kPatience{.tv_sec = 0, .tv_usec = 200'000};

template <typename T>
T load(std::span<const std::uint8_t> bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

Result<UniqueFd> ask_for_all() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC));
  if (!fd) return fail_errno(Errc::probe_failed, "generic netlink");
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  struct {
    nlmsghdr header{};
    genlmsghdr command{};
  } question;
  question.header.nlmsg_len = sizeof(question);
  question.header.nlmsg_type = GENL_ID_CTRL;
  question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  question.command.cmd = CTRL_CMD_GETFAMILY;
  question.command.version = 1;
  if (::send(fd.get(), &question, sizeof(question), 0) != static_cast<ssize_t>(sizeof(question)))
    return fail_errno(Errc::probe_failed, "generic netlink");
  return fd;
}

}  // namespace

std::uint16_t family_in(std::span<const std::uint8_t> message, std::string_view name) {
  std::uint16_t number = 0;
  bool named = false;
  auto rest = message.subspan(std::min(message.size(), sizeof(nlmsghdr) + sizeof(genlmsghdr)));
  while (rest.size() >= sizeof(nlattr)) {
    const auto head = load<nlattr>(rest);
    if (head.nla_len < sizeof(nlattr) || head.nla_len > rest.size()) return 0;
    const auto value = rest.subspan(sizeof(nlattr), head.nla_len - sizeof(nlattr));
    if (head.nla_type == CTRL_ATTR_FAMILY_ID && value.size() >= sizeof(number))
      number = load<std::uint16_t>(value);
    if (head.nla_type == CTRL_ATTR_FAMILY_NAME && value.size() == name.size() + 1)
      named = std::memcmp(value.data(), name.data(), name.size()) == 0;
    rest = rest.subspan(std::min<std::size_t>(rest.size(), NLA_ALIGN(head.nla_len)));
  }
  return named ? number : 0;
}

Result<std::uint16_t> generic_family(std::string_view name) {
  AKM_ASSIGN(const UniqueFd fd, ask_for_all());
  std::vector<std::uint8_t> room(kPartBytes);
  for (unsigned part = 0; part < kParts; ++part) {
    const ssize_t got = ::recv(fd.get(), room.data(), room.size(), 0);
    if (got <= 0) return fail_errno(Errc::probe_failed, "generic netlink");
    std::span<const std::uint8_t> rest(room.data(), static_cast<std::size_t>(got));
    while (rest.size() >= sizeof(nlmsghdr)) {
      const auto header = load<nlmsghdr>(rest);
      if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR ||
          header.nlmsg_len < sizeof(nlmsghdr) || header.nlmsg_len > rest.size())
        return fail(Errc::not_found, std::string(name));
      if (const auto number = family_in(rest.first(header.nlmsg_len), name); number != 0) return number;
      rest = rest.subspan(std::min<std::size_t>(rest.size(), NLMSG_ALIGN(header.nlmsg_len)));
    }
  }
  return fail(Errc::not_found, std::string(name));
}

}  // namespace akm::bpf
