#include "bpf/loader/generic_netlink.h"

#include <criterion/criterion.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#include <cstring>
#include <string>
#include <vector>

using namespace akm;
using namespace akm::bpf;

namespace {

void add(std::vector<std::uint8_t>& message, std::uint16_t type, const void* value, std::size_t bytes) {
  nlattr head{};
  head.nla_len = static_cast<__u16>(sizeof(head) + bytes);
  head.nla_type = type;
  const std::size_t at = message.size();
  message.resize(at + NLA_ALIGN(head.nla_len));
  std::memcpy(message.data() + at, &head, sizeof(head));
  std::memcpy(message.data() + at + sizeof(head), value, bytes);
}

std::vector<std::uint8_t> message_of(const std::string& name, std::uint16_t number) {
  std::vector<std::uint8_t> out(sizeof(nlmsghdr) + sizeof(genlmsghdr));
  add(out, CTRL_ATTR_FAMILY_NAME, name.c_str(), name.size() + 1);
  add(out, CTRL_ATTR_FAMILY_ID, &number, sizeof(number));
  return out;
}

}  // namespace

Test(generic_netlink, a_family_is_found_by_its_whole_name) {
  const auto message = message_of("wireguard", 31);
  cr_assert_eq(family_in(message, "wireguard"), 31);
  cr_assert_eq(family_in(message, "wire"), 0);
  cr_assert_eq(family_in(message, "wireguard2"), 0);
}

Test(generic_netlink, a_message_that_is_cut_short_names_nothing) {
  const auto message = message_of("wireguard", 31);
  for (std::size_t size = 0; size + 4 < message.size(); ++size)
    cr_assert_eq(family_in(std::span(message).first(size), "wireguard"), 0, "%zu", size);
}

Test(generic_netlink, the_kernel_has_its_own_and_none_that_nobody_has) {
  const auto controller = generic_family("nlctrl");
  if (!controller && controller.error().code == Errc::probe_failed)
    cr_skip_test("%s", controller.error().message().c_str());
  cr_assert_eq(*controller, GENL_ID_CTRL);
  const auto none = generic_family("akm-no-such");
  cr_assert_not(none.has_value());
  cr_assert_eq(none.error().code, Errc::not_found);
}
