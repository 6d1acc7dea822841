#include "daemon/service/bundle_tries.h"

#include <criterion/criterion.h>

#include "tests/support/memory_store.h"

using namespace akm;
using namespace akm::service;
using akm::test::MemoryStore;

namespace {

constexpr Instant kStart{1'000'000'000};

protocol::Digest32 bundle(std::uint8_t first, std::uint8_t second = 0) {
  return {first, second};
}

/// A try with a wrong code at the earliest moment that is allowed; returns that moment.
Instant wrong(BundleTries& tries, const protocol::Digest32& which, Instant now) {
  for (; !tries.begin(which, now); now = now + std::chrono::seconds(1)) {
  }
  (void)tries.failed(which, now);
  return now;
}

}  // namespace

Test(bundle_tries, each_wrong_code_waits_longer_and_the_fifth_is_the_last) {
  MemoryStore store;
  BundleTries tries(store);
  Instant now = kStart;
  for (unsigned failed = 1; failed < kBundleTries; ++failed) {
    cr_assert(tries.begin(bundle(1), now).has_value());
    const std::string told = tries.failed(bundle(1), now);
    cr_assert(told.starts_with(std::to_string(kBundleTries - failed)), "%s", told.c_str());
    cr_assert_eq(tries.remaining(bundle(1)), kBundleTries - failed);
    cr_assert_eq(tries.begin(bundle(1), now + pause_after_tries(failed) - Duration(1)).error().code,
                 Errc::busy);
    cr_assert(tries.begin(bundle(2), now).has_value(), "another bundle does not wait");
    cr_assert(tries.opened(bundle(2)).has_value());
    now = now + pause_after_tries(failed);
  }
  cr_assert(tries.begin(bundle(1), now).has_value());
  cr_assert(tries.failed(bundle(1), now).find("void") != std::string::npos);
  cr_assert_eq(tries.begin(bundle(1), now + std::chrono::hours(1)).error().code, Errc::bundle_void);
  cr_assert_eq(pause_after_tries(4), std::chrono::seconds(8));
}

Test(bundle_tries, a_restart_gives_nothing_back) {
  MemoryStore store;
  {
    BundleTries tries(store);
    wrong(tries, bundle(1), wrong(tries, bundle(1), kStart));
    cr_assert(tries.begin(bundle(2), kStart).has_value(), "the power goes during this one");
  }
  BundleTries again(store);
  cr_assert(again.load(kStart).has_value());
  cr_assert_eq(again.remaining(bundle(1)), 3U);
  cr_assert_eq(again.remaining(bundle(2)), 4U);
  cr_assert_eq(again.begin(bundle(1), kStart).error().code, Errc::busy, "nor time");
  cr_assert(again.begin(bundle(1), kStart + pause_after_tries(2)).has_value());
}

Test(bundle_tries, what_was_no_wrong_code_does_not_count) {
  MemoryStore store;
  BundleTries tries(store);
  cr_assert(tries.begin(bundle(1), kStart).has_value());
  cr_assert(tries.give_back(bundle(1)).has_value());
  cr_assert_eq(tries.remaining(bundle(1)), kBundleTries);
  const Instant now = wrong(tries, bundle(1), kStart);
  cr_assert(tries.begin(bundle(1), now + std::chrono::minutes(1)).has_value());
  cr_assert(tries.give_back(bundle(1)).has_value());
  cr_assert_eq(tries.remaining(bundle(1)), kBundleTries - 1);
  cr_assert(tries.give_back(bundle(9)).has_value());
  cr_assert(tries.opened(bundle(1)).has_value());
  cr_assert_eq(tries.remaining(bundle(1)), kBundleTries);
}

Test(bundle_tries, without_a_record_there_is_no_try) {
  MemoryStore store;
  BundleTries tries(store);
  store.fail_writes_of = "bundle-tries";
  cr_assert_eq(tries.begin(bundle(1), kStart).error().code, Errc::disk_full);
  cr_assert_eq(tries.remaining(bundle(1)), kBundleTries);
}

Test(bundle_tries, a_void_bundle_is_forgotten_last) {
  MemoryStore store;
  BundleTries tries(store);
  Instant now = kStart;
  for (unsigned i = 0; i < kBundleTries; ++i) now = wrong(tries, bundle(1), now);
  for (unsigned i = 0; i < kTriedBundles + 5; ++i) {
    wrong(tries, bundle(2, static_cast<std::uint8_t>(i)), now);
    if (i == 255) wrong(tries, bundle(3), now);
  }
  cr_assert_eq(tries.remaining(bundle(1)), 0U);
}

Test(bundle_tries, a_damaged_record_is_refused) {
  const std::vector<BundleTries::Tried> two{{bundle(1), 1}, {bundle(2), 5}};
  const auto bytes = BundleTries::encode(two);
  cr_assert(*BundleTries::decode(bytes) == two);
  for (auto broken :
       {std::vector<std::uint8_t>(bytes.begin(), bytes.end() - 1), BundleTries::encode({{bundle(1), 0}}),
        BundleTries::encode({{bundle(1), 6}}), BundleTries::encode({two[0], two[0]}),
        BundleTries::encode(std::vector<BundleTries::Tried>(kTriedBundles + 1, two[0]))}) {
    cr_assert_eq(BundleTries::decode(broken).error().code, Errc::state_corrupt);
  }
}
