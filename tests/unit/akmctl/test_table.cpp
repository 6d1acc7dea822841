#include "tools/akmctl/table.h"

#include <criterion/criterion.h>

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
