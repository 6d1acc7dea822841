#include "dbus/root_rows.h"

#include <criterion/criterion.h>

#include "tests/unit/dbus/local_message.h"

using namespace akm;
using namespace akm::dbus;
using namespace akm::test;

namespace {

template <typename Row>
std::vector<Row> back(const std::vector<Row>& rows) {
  const LocalMessage message([&](Writer& out) { append_rows(out, rows); });
  Reader in = message.reader();
  std::vector<Row> out;
  const Status read = read_rows(in, out);
  cr_assert(read.has_value(), "%s", read ? "" : read.error().message().c_str());
  return out;
}

}  // namespace

Test(root_rows, what_was_made_changed_and_removed_is_told_apart) {
  using store::RecordKind;
  const store::Fields fields{{"a", "1"}};
  const std::vector<store::Change> changes{{1, 2, "uid 0", 0, RecordKind::domain, 1, {}, fields},
                                           {2, 3, "uid 1", 0, RecordKind::asr, 7, fields, store::Fields{}},
                                           {3, 4, "uid 2", 1, RecordKind::nmm, 8, fields, {}}};
  cr_assert(back(changes) == changes);
  const std::vector<store::FieldDifference> differences{{RecordKind::node, 1, "a", {}, ""},
                                                        {RecordKind::node, 1, "b", "", {}},
                                                        {RecordKind::node, 1, "c", "x", "y"}};
  cr_assert(back(differences) == differences);
}

Test(root_rows, what_ends_on_a_terminal_is_clean) {
  const LocalMessage message([](sd_bus_message* raw) {
    (void)sd_bus_message_append(raw, "a(tta{ss})", 1, std::uint64_t{1}, std::uint64_t{2}, 1, "na\033me",
                                "\033[31m");
  });
  Reader in = message.reader();
  std::vector<store::ConfigRecord> rows;
  cr_assert(read_rows(in, rows).has_value());
  cr_assert(rows.at(0).fields == (store::Fields{{"na?me", "?[31m"}}));
}

Test(root_rows, another_type_is_malformed) {
  const LocalMessage message([](Writer& out) { out.u64(1); });
  Reader in = message.reader();
  std::vector<store::Change> rows;
  cr_assert(!read_rows(in, rows));
  const LocalMessage kinds([](sd_bus_message* raw) {
    (void)sd_bus_message_append(raw, "a(stsbsbs)", 1, "secret", std::uint64_t{1}, "a", 1, "b", 0, "");
  });
  Reader second = kinds.reader();
  std::vector<store::FieldDifference> differences;
  cr_assert(read_rows(second, differences).error().code == Errc::malformed);
}
