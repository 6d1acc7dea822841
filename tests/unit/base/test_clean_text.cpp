#include "daemon/base/clean_text.h"

#include <criterion/criterion.h>

using namespace akm;

Test(clean_text, has_no_control_characters) {
  cr_assert(is_clean_text("node-1 \xc3\xa9"));
  cr_assert(is_clean_text(""));
  cr_assert(!is_clean_text("a\nb"));
  cr_assert(!is_clean_text("a\x1b[31m"));
  cr_assert(!is_clean_text("a\x7f"));
  cr_assert(!is_clean_text("\xff"));
}

Test(clean_text, utf8_is_the_shortest_form_of_a_character) {
  cr_assert(is_utf8("\xf0\x9f\x94\x91"));
  cr_assert(!is_utf8("\xc0\xaf"));          // overlong
  cr_assert(!is_utf8("\xed\xa0\x80"));      // a surrogate
  cr_assert(!is_utf8("\xf4\x90\x80\x80"));  // above U+10FFFF
  cr_assert(!is_utf8("\xe2\x82"));          // cut off
}

Test(clean_text, what_is_not_clean_becomes_a_question_mark) {
  cr_assert_eq(clean_text("north"), "north");
  cr_assert_eq(clean_text("a\x1b[2J"), "?");
}
