#include "daemon/nmm/root_secret.h"

#include <criterion/criterion.h>

#include "tests/unit/nmm/memory_store.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;

Test(root_secret, is_drawn_once_and_kept) {
  MemoryStore store;
  SeededRandom random(1);
  RootSecret root(store, random);
  cr_assert(root.load());
  cr_assert_eq(root.nmm_id(), 0U);
  cr_assert(root.read().error().code == Errc::wrong_state);
  cr_assert(root.create());
  cr_assert_neq(root.nmm_id(), 0U);
  cr_assert(root.create().error().code == Errc::already_exists);

  RootSecret again(store, random);
  cr_assert(again.load());
  cr_assert_eq(again.nmm_id(), root.nmm_id());
  cr_assert(*again.read() == *root.read());
  cr_assert(again.create().error().code == Errc::already_exists);
}

Test(root_secret, differs_between_nmms) {
  MemoryStore store_a;
  MemoryStore store_b;
  SeededRandom random(1);
  RootSecret a(store_a, random);
  RootSecret b(store_b, random);
  cr_assert(a.create());
  cr_assert(b.create());
  cr_assert_not(*a.read() == *b.read());
  cr_assert_neq(a.nmm_id(), b.nmm_id());
}

Test(root_secret, a_failing_store_leaves_none) {
  MemoryStore store;
  store.failing = true;
  SeededRandom random(1);
  RootSecret root(store, random);
  cr_assert_not(root.create().has_value());
  cr_assert_eq(root.nmm_id(), 0U);
}

Test(root_secret, a_damaged_record_is_never_replaced) {
  MemoryStore store;
  SeededRandom random(1);
  store.records["nmm-root"] = {9, 9};
  RootSecret root(store, random);
  cr_assert(root.load().error().code == Errc::state_corrupt);
  cr_assert(root.create().error().code == Errc::already_exists);
  cr_assert_eq(store.records["nmm-root"].size(), 2U);
}
