#include "daemon/store/fields_text.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::store;

Test(fields_text, comes_back_as_it_was) {
  const Fields fields{{"name", "n\xc3\xb6rd \"1\" \\ /"}, {"a.b", ""}, {"z", "\xf0\x9f\x94\x91"}};
  cr_assert_eq(fields_to_text({}), "{}");
  cr_assert(fields_from_text("{}")->empty());
  cr_assert(*fields_from_text(fields_to_text(fields)) == fields);
  cr_assert_eq(fields_to_text({{"b", "2"}, {"a", "1"}}), R"({"a":"1","b":"2"})");
}

Test(fields_text, is_an_object_of_texts_and_nothing_else) {
  for (const char* text : {"",
                           "null",
                           "1",
                           "\"a\"",
                           "[]",
                           "{",
                           "{}{}",
                           "{} x",
                           R"({"a":1})",
                           R"({"a":null})",
                           R"({"a":true})",
                           R"({"a":["b"]})",
                           R"({"a":{"b":"c"}})",
                           R"({"a":"b","a":"c"})",
                           R"({"A":"b"})",
                           R"({"a":"\n"})",
                           R"({"":"b"})",
                           "{\"a\":\"\xff\"}",
                           R"({"a":"\ud800"})",
                           R"({"a":"b",})",
                           R"({"a":1.5})"}) {
    const auto fields = fields_from_text(text);
    cr_assert(!fields, "%s", text);
    cr_assert(fields.error().code == Errc::state_corrupt);
  }
}

Test(fields_text, deep_and_long_ones_cost_nothing) {
  cr_assert(!fields_from_text(std::string(100'000, '[')));
  cr_assert(!fields_from_text(std::string(kFieldsBytes * 7, ' ')));
  std::string many = "{";
  for (int i = 0; i < 65; ++i) many += (i == 0 ? "\"f" : ",\"f") + std::to_string(i) + "\":\"\"";
  cr_assert(!fields_from_text(many + "}"));
}
