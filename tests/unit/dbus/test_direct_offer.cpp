#include "dbus/direct_offer.h"

#include <criterion/criterion.h>

#include "tests/unit/dbus/local_message.h"

using namespace akm;
using namespace akm::dbus;
using akm::test::LocalMessage;

Test(direct_offer, comes_back_as_it_was) {
  const DirectOffer offer{
      7, "AAAAA-BBBBB-CCCCC-DDDDD", std::vector<std::uint8_t>(32, 0x42), {{"dmi", "def"}}, false};
  const LocalMessage message([&](Writer& out) { append_offer(out, offer); });
  Reader in = message.reader();
  const auto back = read_offer(in);
  cr_assert(back.has_value());
  cr_assert_eq(back->handle, offer.handle);
  cr_assert_eq(back->fingerprint, offer.fingerprint);
  cr_assert(back->hardware_value == offer.hardware_value);
  cr_assert(back->sources == offer.sources);
  cr_assert_eq(back->confirm, offer.confirm);
}

Test(direct_offer, what_is_longer_than_it_can_be_is_refused) {
  const LocalMessage message([&](Writer& out) {
    append_offer(out, {1, std::string(65, 'A'), std::vector<std::uint8_t>(32), {}, true});
  });
  Reader in = message.reader();
  cr_assert(!read_offer(in));
}
