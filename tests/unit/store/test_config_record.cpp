#include "daemon/store/config_record.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::store;

Test(config_record, a_kind_has_one_name) {
  for (const RecordKind kind : kRecordKinds) cr_assert(kind_from(kind_name(kind)) == kind);
  cr_assert(kind_from("").error().code == Errc::invalid_argument);
  cr_assert(kind_from("Node").error().code == Errc::invalid_argument);
}

Test(config_record, a_word_is_short_and_plain) {
  cr_assert(check_word("x", "prs-1.a_b").has_value());
  cr_assert(check_word("x", std::string(64, 'a')).has_value());
  for (const std::string& word :
       {std::string(), std::string(65, 'a'), std::string("a b"), std::string("A")}) {
    cr_assert(check_word("x", word).error().code == Errc::invalid_argument);
  }
}

Test(config_record, fields_have_bounds) {
  Fields fields;
  for (std::size_t i = 0; i < kFieldsMax; ++i) fields["f" + std::to_string(i)] = "x";
  cr_assert(check_fields(fields).has_value());
  fields["one-more"] = "x";
  cr_assert(check_fields(fields).error().code == Errc::limit_exceeded);
  cr_assert(check_fields({{"a", std::string(kFieldValueBytes, 'x')}}).has_value());
  cr_assert(check_fields({{"a", std::string(kFieldValueBytes + 1, 'x')}}).error().code == Errc::too_large);
  const std::string half(kFieldsBytes / 2 + 1, 'x');
  cr_assert(check_fields({{"a", half}, {"b", half}}).error().code == Errc::too_large);
  cr_assert(check_fields({{"a", "line\n"}}).error().code == Errc::invalid_argument);
}
