#include "tools/akmctl/hidden_values.h"

#include <criterion/criterion.h>

#include <string>
#include <vector>

using akm::ctl::HiddenValues;

namespace {

std::string shown(const std::vector<std::string>& settings, std::string text) {
  HiddenValues hidden;
  for (const std::string& one : settings) hidden.add(one);
  hidden.leave_out(text);
  return text;
}

}  // namespace

Test(hidden_values, a_word) {
  cr_assert_eq(shown({"hunter2"}, "pin hunter2, hunter2!"), "pin (left out), (left out)!");
  cr_assert_eq(shown({"abc", ""}, "abc"), "abc", "too short to be told from others");
  cr_assert_eq(shown({}, "abcd"), "abcd");
}

Test(hidden_values, the_longest_first_whatever_setting_it_is_of) {
  cr_assert_eq(shown({"abcd", "abcdWXYZ"}, "abcdWXYZ abcd"), "(left out) (left out)");
  cr_assert_eq(shown({"abcdWXYZ", "abcd"}, "abcdWXYZ abcd"), "(left out) (left out)");
}

Test(hidden_values, of_a_connection) {
  const std::string all = "2secret hunter2 db.example akm-rootd password 5432";
  const std::string left = "(left out) (left out) db.example akm-rootd password 5432";
  for (const char* one : {"host=db.example port=5432 user=akm-rootd password=hunter2 2secret",
                          "password = hunter2   password='2secret' host = db.example",
                          "password='hunter2 2secret' user=akm-rootd", "password=\"hunter2 2secret\"",
                          "postgresql://akm-rootd:hunter2@2secret@db.example:5432/akm?sslmode=verify-full",
                          "postgresql://db.example/akm?password=hunter2&sslpassword=2secret&user=akm-rootd"})
    cr_expect_eq(shown({one}, all), left, "%s: %s", one, shown({one}, all).c_str());
}

Test(hidden_values, of_a_token) {
  cr_assert_eq(shown({"pkcs11:token=line-1;object=storage;pin-value=hunter2"},
                     "no token line-1, pin hunter2, storage"),
               "no token line-1, pin (left out), storage");
  cr_assert_eq(shown({"pkcs11:token=line-1;object=storage?pin-value=hunter2"}, "hunter2"), "(left out)");
}

Test(hidden_values, as_json_has_it) {
  cr_assert_eq(shown({"hun\"ter\\2"}, "{\"says\":\"hun\\\"ter\\\\2\"}"), "{\"says\":\"(left out)\"}");
  cr_assert_eq(shown({"\xff\xfe\xfd\xfc"}, "\xff\xfe\xfd\xfc"), "(left out)");
}

Test(hidden_values, texts_that_are_odd) {
  const std::vector<std::string> odd{"=",      "====",      "'",    "a='",   "://@",
                                     "x://:@", "://a:bcde", "@://", " = = ", "a=\"b"};
  cr_assert_eq(shown(odd, "nothing of it"), "nothing of it");
}
