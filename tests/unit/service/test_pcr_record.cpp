#include "daemon/service/pcr_record.h"

#include <criterion/criterion.h>

#include "tests/support/memory_store.h"

using namespace akm;
using namespace akm::service;

Test(pcr_record, a_key_that_asks_for_less_than_the_record_is_refused) {
  test::MemoryStore store;
  cr_assert(check_pcrs(store, 0).has_value(), "a first start");
  cr_assert(check_pcrs(store, 1U << 7).has_value(), "more is learned");
  const Status none = check_pcrs(store, 0);
  cr_assert_eq(none.error().code, Errc::sealed_unavailable);
  cr_assert(none.error().message().contains("to no PCR, and this state was sealed to PCR 7"));
  cr_assert(none.error().message().contains("akmctl node reseal"));
  cr_assert_eq(check_pcrs(store, 1U << 11).error().code, Errc::sealed_unavailable, "another is not the same");
  cr_assert(check_pcrs(store, 1U << 7 | 1U << 11).has_value());
  cr_assert_eq(check_pcrs(store, 1U << 7).error().code, Errc::sealed_unavailable);
}

Test(pcr_record, the_operator_lowers_it_before_and_the_file_counts_after) {
  test::MemoryStore store;
  cr_assert(note_pcrs(store, 1U << 7 | 1U << 11).has_value());
  cr_assert(lower_pcrs(store, 1U << 7 | 1U << 1).has_value());
  cr_assert(check_pcrs(store, 1U << 7).has_value(), "11 is no longer asked for, 1 not yet");
  cr_assert(lower_pcrs(store, 0).has_value());
  cr_assert(check_pcrs(store, 0).has_value());
  store.fail_writes = true;
  cr_assert_eq(note_pcrs(store, 1).error().code, Errc::disk_full);
}

Test(pcr_record, a_damaged_one_is_kept_and_written_anew) {
  test::MemoryStore store;
  cr_assert(note_pcrs(store, 1U << 7).has_value());
  store.corrupt["sealed-to-pcrs"] = true;
  cr_assert(check_pcrs(store, 1U << 7).has_value());
  cr_assert(store.records.contains("damaged-1-sealed-to-pcrs"));
  cr_assert_eq(check_pcrs(store, 0).error().code, Errc::sealed_unavailable);
}
