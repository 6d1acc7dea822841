#include "tools/akmctl/table.h"

#include <criterion/criterion.h>

#include "tools/akmctl/screen.h"

using namespace akm::ctl;

Test(table, columns_are_aligned_and_lines_end_without_spaces) {
  Table table({"NAME", "STATE"});
  table.row({"Süd", "active"});
  table.row({"a long name", ""});
  cr_assert_eq(table.text(), "NAME         STATE\nSüd          active\na long name  -\n");
  cr_assert_eq(table.text(2), "  NAME         STATE\n  Süd          active\n  a long name  -\n");
}

Test(table, a_table_of_heads_only_is_empty) {
  cr_assert(Table({"A"}).empty());
}

Test(table, facts_without_a_value_are_left_out) {
  const std::string text = facts({{"State", "active"}, {"Node", ""}, {"Node id", "1"}});
  cr_assert_eq(text, "State:    active\nNode id:  1\n");
}

Test(table, cells_are_broken_between_words_to_fit_the_screen) {
  Table table({"NAME", "WHAT"});
  table.row({"a", "one two three four"});
  screen().columns = 18;
  cr_assert_eq(table.text(), "NAME  WHAT\na     one two\n      three four\n", "%s", table.text().c_str());
  screen().columns = 80;
  cr_assert_eq(table.text(), "NAME  WHAT\na     one two three four\n");
}

Test(table, an_id_stays_whole_and_rows_become_facts_instead) {
  Table table({"ID", "OTHER ID"});
  table.row({"0123456789abcdef", "fedcba9876543210"});
  table.row({"1123456789abcdef", ""});
  screen().columns = 30;
  cr_assert_eq(table.text(),
               "ID:        0123456789abcdef\nOTHER ID:  fedcba9876543210\n\n"
               "ID:        1123456789abcdef\nOTHER ID:  -\n",
               "%s", table.text().c_str());
}

Test(table, facts_hang_under_their_name) {
  screen().columns = 40;
  cr_assert_eq(facts({{"State", "sealed in software, which whoever copies the disk can open"}}),
               "State:  sealed in software, which\n        whoever copies the disk can open\n");
}

Test(table, heads_are_strong_where_there_is_colour) {
  Table table({"NAME"});
  table.row({"a"});
  screen().colour = true;
  cr_assert_eq(table.text(), "\x1b[1mNAME\x1b[0m\na\n");
}

Test(table, wrap) {
  using Lines = std::vector<std::string>;
  cr_assert(wrap("", 5) == Lines{""});
  cr_assert(wrap("one two", 0) == Lines{"one two"});
  cr_assert((wrap("one two", 3) == Lines{"one", "two"}));
  cr_assert((wrap("abcdefgh", 3) == Lines{"abc", "def", "gh"}), "a word that is longer than a line");
  cr_assert((wrap("äöüäöü", 3) == Lines{"äöü", "äöü"}), "never within a character");
}
