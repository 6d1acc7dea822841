#include "daemon/service/token_writing.h"

#include <criterion/criterion.h>

#include <optional>
#include <utility>

#include "dbus/sealed_memfd.h"
#include "tests/support/sample_bundle.h"
#include "tests/support/softhsm_fixture.h"

using namespace akm;
using namespace akm::service;

namespace {

/// Writes with this PIN; `made` counts the serials that were used up.
Result<WrittenToken> write(const keyring::TokenPlace& place, std::string_view pin, int& made,
                           Result<protocol::BundleContent> bundle = akm::test::sample_bundle()) {
  const UniqueFd fd = std::move(
      *dbus::make_sealed_memfd("pin", {reinterpret_cast<const std::uint8_t*>(pin.data()), pin.size()}));
  std::optional<Result<WrittenToken>> out;
  write_token(
      [](keyring::TpmWorker::Job job) -> Status {
        job()();
        return {};
      },
      place, fd, "north",
      [&](BundleReply reply) {
        ++made;
        reply(std::move(bundle));
      },
      [&out](Result<WrittenToken> written) { out = std::move(written); });
  return std::move(*out);
}

}  // namespace

Test(token_writing, a_serial_is_used_up_only_when_the_token_is_free) {
  if (!test::have_softhsm()) cr_skip("%s", test::kNoSoftHsm);
  const test::SoftHsm hsm;
  int made = 0;
  cr_assert_eq(write(hsm.place, "9999", made).error().code, Errc::wrong_pin);
  cr_assert_eq(made, 0);
  cr_assert_eq(write(hsm.place, "1234", made, fail(Errc::exhausted)).error().code, Errc::exhausted);
  const auto written = write(hsm.place, "1234", made);
  cr_assert(written, "%s", written ? "" : written.error().message().c_str());
  cr_assert_eq(written->id, 3U);
  cr_assert_eq(made, 2);
  const auto read = keyring::read_vault(hsm.place, hsm.pin);
  cr_assert(read && read->node == "north");
  cr_assert_eq(write(hsm.place, "1234", made).error().code, Errc::already_exists);
  cr_assert_eq(made, 2);
}
