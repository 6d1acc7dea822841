#include "dbus/access_table.h"

#include <criterion/criterion.h>

#include <set>
#include <string>

using namespace akm::dbus;

Test(access_table, finds_by_interface_and_member) {
  const AccessRule* rule = find_access_rule("org.akm.Node1", "Zeroize");
  cr_assert_not_null(rule);
  cr_assert_eq(rule->access, Access::admin);
  cr_assert_str_eq(rule->action, "org.akm.node.admin");
}

Test(access_table, what_is_not_in_it_has_no_rule) {
  cr_assert_null(find_access_rule("org.akm.Node1", "Quarantine"));
  cr_assert_null(find_access_rule("org.akm.Nmm1", "zeroize"));
  cr_assert_null(find_access_rule("", ""));
  cr_assert_null(find_access_rule("org.akm.Node1", "ZeroizeAll"));
}

Test(access_table, each_method_stands_once_and_what_destroys_is_for_administrators) {
  std::set<std::string> seen;
  for (const AccessRule& rule : access_table()) {
    cr_assert(seen.insert(std::string(rule.interface) + "." + std::string(rule.member)).second);
    if (rule.access == Access::caller) {
      cr_assert_str_empty(rule.action);
      continue;
    }
    cr_assert(std::string_view(rule.action).starts_with("org.akm."));
    const bool ends_right = std::string_view(rule.action)
                                .ends_with(rule.access == Access::read     ? ".read"
                                           : rule.access == Access::change ? ".change"
                                                                           : ".admin");
    cr_assert(ends_right, "%s", rule.action);
    for (const char* word :
         {"Provision", "Zeroize", "Delete", "Quarantine", "Readmit", "Member", "Create", "Prepare"}) {
      if (rule.member.contains(word)) cr_assert_eq(rule.access, Access::admin);
    }
  }
}
