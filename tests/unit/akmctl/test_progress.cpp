#include "tools/akmctl/progress.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::ctl;

namespace {

AsrSnapshot relationship(const char* label, std::size_t members, std::size_t waiting) {
  AsrSnapshot out;
  out.label = label;
  for (std::size_t i = 0; i < members; ++i) {
    out.members.push_back({.node_id = i + 1, .name = {}, .endpoints = {}, .state = {}, .waits_for = {}});
    if (i < waiting) out.stragglers.push_back({.node_id = i + 1, .name = {}, .waits_for = {}});
  }
  return out;
}

}  // namespace

Test(progress, members_that_have_answered_are_counted) {
  const std::vector<AsrSnapshot> all{relationship("a", 5, 2), relationship("b", 3, 0),
                                     relationship("c", 4, 4)};
  cr_assert_eq(change_progress(all, "a"), "3 of 5 members have answered");
  cr_assert_eq(change_progress(all, "b"), "");
  cr_assert_eq(change_progress(all, "d"), "");
  cr_assert_eq(change_progress(all, ""), "3 of 9 members of 2 relationships have answered");
}

Test(progress, who_leaves_is_waited_for_too) {
  AsrSnapshot one = relationship("a", 2, 0);
  one.stragglers.push_back({.node_id = 9, .name = {}, .waits_for = {}});
  cr_assert_eq(change_progress({one}, "a"), "2 of 3 members have answered");
}

Test(progress, a_node_is_told_by_its_state) {
  nmm::NodeSnapshot node;
  node.name = "a";
  node.state = "prepared";
  cr_assert_eq(node_progress({node}, "b"), "its credentials are being made");
  cr_assert(node_progress({node}, "a").contains("waiting for the node"));
  node.state = "active";
  cr_assert_eq(node_progress({node}, "a"), "active");
}

Test(progress, a_line_fits_and_has_nothing_that_a_terminal_obeys) {
  cr_assert_eq(progress_line("a: 1 of 2", std::chrono::milliseconds(3900), 80), "a: 1 of 2 (3 s)");
  cr_assert_eq(progress_line("a\x1b[2J", std::chrono::seconds(0), 80), "a?[2J (0 s)");
  cr_assert_eq(progress_line("0123456789", std::chrono::seconds(0), 8), "0123456");
}

Test(progress, nothing_is_asked_where_nobody_sees_it) {
  Session session;
  session.options.json = true;
  bool asked = false;
  cr_assert_eq(with_progress(
                   session,
                   [&](dbus::Proxy&) {
                     asked = true;
                     return std::string("x");
                   },
                   [] { return 7; }),
               7);
  cr_assert_not(asked);
}
