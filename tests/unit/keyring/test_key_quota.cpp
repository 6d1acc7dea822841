#include "keyring/key_quota.h"

#include <criterion/criterion.h>

using akm::Errc;
using akm::keyring::check_key_quota;
using akm::keyring::check_own_key_quota;
using akm::keyring::KeyQuota;
using akm::keyring::parse_key_quota;

namespace {

constexpr const char* kKeyUsers =
    "    0:     9 8/8 3/1000000 40/25000000\n"
    " 1000:   205 204/204 199/200 19990/20000\n";

}  // namespace

Test(key_quota, the_line_of_the_user_is_taken) {
  const auto root = parse_key_quota(kKeyUsers, 0, "1000000\n", "25000000\n");
  cr_assert(root);
  cr_assert_eq(root->used_keys, 3);
  cr_assert_eq(root->used_bytes, 40);
  cr_assert_eq(root->max_keys, 1000000);
  cr_assert_eq(root->max_bytes, 25000000);
  const auto user = parse_key_quota(kKeyUsers, 1000, "200\n", "20000\n");
  cr_assert(user);
  cr_assert_eq(user->used_keys, 199);
  cr_assert_eq(user->used_bytes, 19990);
}

Test(key_quota, a_user_without_keys_uses_nothing) {
  const auto user = parse_key_quota(kKeyUsers, 42, "200", "20000");
  cr_assert(user);
  cr_assert_eq(user->used_keys, 0);
  cr_assert(check_key_quota(*user, 42, 200, 20000));
  cr_assert(!check_key_quota(*user, 42, 201, 1));
}

Test(key_quota, too_few_keys_name_the_sysctl_and_the_value) {
  const auto status = check_key_quota(KeyQuota{199, 100, 200, 20000}, 1000, 40, 100);
  cr_assert(!status);
  cr_assert(status.error().code == Errc::quota_exceeded);
  cr_assert(status.error().detail.find("kernel.keys.maxkeys=239") != std::string::npos, "%s",
            status.error().detail.c_str());
}

Test(key_quota, too_few_bytes_of_root_name_root_maxbytes) {
  const auto status = check_key_quota(KeyQuota{1, 19990, 200, 20000}, 0, 1, 11);
  cr_assert(!status);
  cr_assert(status.error().detail.find("kernel.keys.root_maxbytes=20001") != std::string::npos, "%s",
            status.error().detail.c_str());
  cr_assert(check_key_quota(KeyQuota{1, 19990, 200, 20000}, 0, 1, 10));
}

Test(key_quota, usage_over_the_limit_does_not_wrap) {
  cr_assert(!check_key_quota(KeyQuota{300, 0, 200, 20000}, 1000, 1, 1));
  cr_assert(check_key_quota(KeyQuota{300, 0, 200, 20000}, 1000, 0, 0));
}

Test(key_quota, damaged_texts_are_refused) {
  for (const char* text : {"0 9 8/8 3/4 5/6", "0: 9 8/8", "0: 9 8/8 3 40", "0: 9 8/8 x/1 40/1",
                           "x: 9 8/8 3/4 5/6", "0: 9 8/8 99999999999999999999/1 40/1"}) {
    const auto quota = parse_key_quota(text, 0, "1", "1");
    cr_assert(!quota, "%s", text);
    cr_assert(quota.error().code == Errc::malformed);
  }
  cr_assert(!parse_key_quota("", 0, "", "1"));
  cr_assert(!parse_key_quota("", 0, "1", "-1"));
}

Test(key_quota, the_own_quota_is_read_from_the_kernel) {
  cr_assert(check_own_key_quota(1, 100));
  const auto status = check_own_key_quota(std::size_t{1} << 40, 100);
  cr_assert(!status);
  cr_assert(status.error().code == Errc::quota_exceeded);
}
