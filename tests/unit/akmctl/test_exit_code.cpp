#include "tools/akmctl/exit_code.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::ctl;

Test(exit_code, no_error_is_success) {
  for (std::size_t i = 0; i < kErrcCount; ++i) cr_assert_neq(exit_code(static_cast<Errc>(i)), kExitOk);
}

Test(exit_code, those_that_scripts_tell_apart) {
  cr_assert_eq(exit_code(Errc::invalid_argument), 2);
  cr_assert_eq(exit_code(Errc::unreachable), 3);
  cr_assert_eq(exit_code(Errc::not_authorized), 4);
  cr_assert_eq(exit_code(Errc::timed_out), 5);
  cr_assert_eq(exit_code(Errc::not_found), 6);
  cr_assert_eq(exit_code(Errc::busy), 1);
}
