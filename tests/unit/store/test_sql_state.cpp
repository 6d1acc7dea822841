#include "daemon/store/sql_state.h"

#include <criterion/criterion.h>

using namespace akm;
using store::errc_of_sqlstate;

Test(sql_state, tells_what_an_operator_can_do) {
  cr_assert(errc_of_sqlstate("40001") == Errc::interrupted);
  cr_assert(errc_of_sqlstate("40P01") == Errc::interrupted);
  cr_assert(errc_of_sqlstate("08006") == Errc::unreachable);
  cr_assert(errc_of_sqlstate("57P01") == Errc::unreachable);
  cr_assert(errc_of_sqlstate("57014") == Errc::timed_out);
  cr_assert(errc_of_sqlstate("53100") == Errc::disk_full);
  cr_assert(errc_of_sqlstate("25006") == Errc::read_only);
  cr_assert(errc_of_sqlstate("28P01") == Errc::not_authorized);
  cr_assert(errc_of_sqlstate("XX001") == Errc::state_corrupt);
  cr_assert(errc_of_sqlstate("42601") == Errc::storage_failed);
  cr_assert(errc_of_sqlstate("") == Errc::storage_failed);
}
