#include "tools/akmctl/visible.h"

#include <criterion/criterion.h>

using akm::ctl::visible;

Test(visible, good_text_stays) {
  cr_assert_eq(visible("pump-7 \"é\" 漢字 \xf0\x9f\x94\x91"), "pump-7 \"é\" 漢字 \xf0\x9f\x94\x91");
  cr_assert_eq(visible(""), "");
}

Test(visible, what_a_terminal_obeys_does_not) {
  cr_assert_eq(visible("a\x1b[2Jb\r\n\x7f\t"), "a?[2Jb????");
  cr_assert_eq(visible("\xc2\x9b"
                       "31m"),
               "?31m", "C1's own CSI");
  cr_assert_eq(visible(std::string_view("\0x", 2)), "?x");
  cr_assert_eq(visible("\u202egnp.exe\u2028\u2066\ufeff"), "?gnp.exe???");
}

Test(visible, what_nobody_sees_is_shown) {
  cr_assert_eq(visible("pump\u200b-7\u200d\u2060\u00ad\ufe0f"), "pump?-7????");
  cr_assert_eq(visible("a\U000e0061\U000e01ef"), "a??", "tags and variation selectors");
  cr_assert_eq(visible("\u00ac\u00ae\u2027\u202f\u2070\ufdff\ufe10\ufff9"),
               "\u00ac\u00ae\u2027\u202f\u2070\ufdff\ufe10\ufff9", "beside them");
}

Test(visible, what_is_no_utf_8_is_a_question_mark_a_byte) {
  cr_assert_eq(visible("\xff\xfe"), "??");
  cr_assert_eq(visible("\xe6\xbc"), "??", "cut short");
  cr_assert_eq(visible("\xc0\x9b"), "??", "an overlong ESC");
  cr_assert_eq(visible("\xed\xa0\x80z"), "???z", "a surrogate");
}
