#include "keyring/permanent_address.h"

#include <criterion/criterion.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cstring>

using namespace akm;
using namespace akm::keyring;
using Bytes = std::vector<std::uint8_t>;

namespace {

void add_attribute(Bytes& out, unsigned short type, const Bytes& value) {
  const rtattr head{.rta_len = static_cast<unsigned short>(RTA_LENGTH(value.size())), .rta_type = type};
  const auto* raw = reinterpret_cast<const std::uint8_t*>(&head);
  out.insert(out.end(), raw, raw + sizeof head);
  out.insert(out.end(), value.begin(), value.end());
  out.resize(NLMSG_ALIGN(out.size()));
}

Bytes message(unsigned short type, const Bytes& attributes) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(sizeof(ifinfomsg)) + attributes.size());
  const auto* raw = reinterpret_cast<const std::uint8_t*>(&header);
  Bytes out(raw, raw + sizeof header);
  out.resize(NLMSG_LENGTH(sizeof(ifinfomsg)));
  out.insert(out.end(), attributes.begin(), attributes.end());
  return out;
}

}  // namespace

Test(permanent_address, is_found_among_the_attributes_of_a_link) {
  Bytes attributes;
  add_attribute(attributes, IFLA_IFNAME, {'e', 't', 'h', '0', 0});
  add_attribute(attributes, IFLA_ADDRESS, {2, 2, 2, 2, 2, 2});
  add_attribute(attributes, IFLA_PERM_ADDRESS, {0x00, 0x16, 0x3e, 1, 2, 3});
  const Bytes whole = message(RTM_NEWLINK, attributes);
  cr_assert(permanent_address_in(whole) == Bytes({0x00, 0x16, 0x3e, 1, 2, 3}));
  for (std::size_t size = 0; size < whole.size() - 2; ++size)
    cr_assert_not(permanent_address_in(std::span(whole).first(size)).has_value(), "%zu", size);
  cr_assert_not(permanent_address_in(message(NLMSG_ERROR, attributes)).has_value());
  cr_assert_not(permanent_address_in(message(RTM_NEWLINK, {})).has_value());
  for (const std::uint8_t length : std::initializer_list<std::uint8_t>{0, 3, 200}) {
    Bytes odd = attributes;
    odd[0] = length;
    cr_assert_not(permanent_address_in(message(RTM_NEWLINK, odd)).has_value(), "%u", length);
  }
}

Test(permanent_address, the_kernel_is_asked_and_a_loopback_has_none) {
  const auto loopback = permanent_address("lo");
  cr_assert(loopback.has_value(), "%s", loopback ? "" : loopback.error().message().c_str());
  cr_assert_not(loopback->has_value());
  cr_assert_not(permanent_address("no-such-link")->has_value());
  cr_assert_not(permanent_address("")->has_value());
  cr_assert_not(permanent_address("a-name-that-is-too-long-for-any")->has_value());
}
