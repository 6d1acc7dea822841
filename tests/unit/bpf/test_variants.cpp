#include "bpf/loader/variants.h"

#include <criterion/criterion.h>

#include <set>
#include <string>

#include "bpf/include/akm_events.h"

using namespace akm::bpf;

Test(variants, every_group_has_one) {
  for (const Group group : kGroups) {
    bool found = false;
    for (const Variant& variant : variants()) found = found || variant.group == group;
    cr_assert(found);
    cr_assert_neq(group_name(group), "unknown");
  }
}

Test(variants, a_tracepoint_occurs_once_since_its_name_names_the_link) {
  std::set<std::string_view> events;
  for (const Variant& variant : variants()) {
    for (const Attachment& attachment : variant.attachments) {
      cr_assert(events.insert(attachment.event).second);
    }
  }
}

Test(variants, what_begins_ends) {
  std::set<std::string> events;
  for (const Variant& variant : variants()) {
    for (const Attachment& attachment : variant.attachments) events.insert(std::string(attachment.event));
  }
  for (const std::string& event : events) {
    if (!event.starts_with("sys_enter_")) continue;
    cr_assert(events.contains("sys_exit_" + event.substr(10)));
  }
}

Test(variants, path_calls_say_which_arguments_are_paths) {
  std::size_t paths = 0;
  for (const Variant& variant : variants()) {
    for (const Attachment& attachment : variant.attachments) {
      if (attachment.program != "enter_path") continue;
      ++paths;
      const auto operation = attachment.cookie & 0xff;
      const auto first = (attachment.cookie >> 8) & 0xff;
      const auto second = (attachment.cookie >> 16) & 0xff;
      cr_assert(operation >= AKM_OP_RENAME && operation <= AKM_OP_UNMOUNT);
      cr_assert_lt(first, 4u);
      cr_assert(second < 4 || second == AKM_NO_ARGUMENT);
    }
  }
  cr_assert_gt(paths, 20u);
}

Test(variants, raw_sys_enter_is_never_used) {
  for (const Variant& variant : variants()) {
    for (const Attachment& attachment : variant.attachments) {
      cr_assert_neq(attachment.event, "sys_enter");
      cr_assert_neq(attachment.event, "sys_exit");
    }
  }
}
