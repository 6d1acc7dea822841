#include "dbus/errors.h"

#include <criterion/criterion.h>

#include <cerrno>

using namespace akm;
using namespace akm::dbus;

Test(errors, every_error_of_ours_comes_back_as_it_was) {
  for (std::size_t i = 0; i < kErrcCount; ++i) {
    const auto code = static_cast<Errc>(i);
    for (const char* detail : {"", "the NMM: north"}) {
      const Error sent{code, detail};
      const Error back = error_from(errc_dbus_name(code), sent.message());
      cr_assert_eq(back.code, code);
      cr_assert_eq(back.detail, sent.detail);
      cr_assert_eq(back.message(), sent.message());
    }
    cr_assert_eq(errc_of(errc_dbus_name(code)), code);
  }
}

Test(errors, names_of_the_bus_are_translated) {
  cr_assert_eq(error_from("org.freedesktop.DBus.Error.ServiceUnknown", "x").code, Errc::unreachable);
  cr_assert_eq(error_from("org.freedesktop.DBus.Error.NoReply", "Method call timed out").code,
               Errc::timed_out);
  cr_assert_eq(error_from("org.freedesktop.DBus.Error.NoReply", "Connection terminated").code,
               Errc::unreachable);
  cr_assert_eq(error_from("org.freedesktop.DBus.Error.NoReply",
                          "Message recipient disconnected from message bus without replying")
                   .code,
               Errc::interrupted);
  cr_assert_eq(error_from("org.freedesktop.DBus.Error.AccessDenied", "x").code, Errc::not_authorized);
  cr_assert_eq(error_from("org.freedesktop.DBus.Error.InvalidArgs", "x").code, Errc::invalid_argument);
}

Test(errors, unknown_names_are_internal_and_clean) {
  const Error error = error_from("org.example.Odd", "bad \x1b[2J\xff text");
  cr_assert_eq(error.code, Errc::internal);
  cr_assert_eq(error.detail, "org.example.Odd: bad ?[2J? text");
  cr_assert_eq(error_from("org.akm.Error.NoSuchThing", "x").code, Errc::internal);
  cr_assert_eq(errc_of("org.akm.Error."), Errc::internal);
}

Test(errors, errno_of_calls) {
  cr_assert_eq(error_from_errno(-ECONNREFUSED, "x").code, Errc::unreachable);
  cr_assert_eq(error_from_errno(-ETIMEDOUT, "x").code, Errc::timed_out);
  cr_assert_eq(error_from_errno(-EACCES, "x").code, Errc::not_authorized);
  cr_assert_eq(error_from_errno(-EINVAL, "x").code, Errc::io_failed);
}
