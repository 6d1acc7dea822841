#include "bpf/loader/variants.h"

#include <criterion/criterion.h>

#include <set>
#include <string>
#include <utility>

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

namespace {

template <typename Each>
void for_attachments(const Variant& variant, const Each& each) {
  for (const Attachment& attachment : variant.attachments) each(attachment);
  for (const Attachment& attachment : variant.also) each(attachment);
}

}  // namespace

Test(variants, an_event_occurs_once_in_a_variant_since_it_names_the_link) {
  for (const Variant& variant : variants()) {
    std::set<std::string_view> events;
    for_attachments(variant, [&](const Attachment& one) { cr_assert(events.insert(one.event).second); });
    cr_assert_not(events.empty());
  }
}

Test(variants, the_last_of_each_group_needs_tracepoints_only) {
  for (const Group group : kGroups) {
    const Variant* last = nullptr;
    for (const Variant& variant : variants()) {
      if (variant.group == group) last = &variant;
    }
    cr_assert(last != nullptr && last->tier == Tier::tracepoint);
  }
}

Test(variants, a_group_stands_together_and_no_tier_twice) {
  std::set<std::pair<Group, Tier>> seen;
  std::set<Group> ended;
  Group current = Group::keys;
  for (const Variant& variant : variants()) {
    cr_assert(seen.insert({variant.group, variant.tier}).second);
    if (variant.group != current) ended.insert(std::exchange(current, variant.group));
    cr_assert_not(ended.contains(variant.group));
    cr_assert_neq(tier_name(variant.tier), "unknown");
  }
}

Test(variants, what_begins_ends) {
  for (const Variant& variant : variants()) {
    std::set<std::string> events;
    for_attachments(variant, [&](const Attachment& one) { events.insert(std::string(one.event)); });
    for (const std::string& event : events) {
      if (event.starts_with("sys_enter_")) cr_assert(events.contains("sys_exit_" + event.substr(10)));
    }
  }
}

Test(variants, path_calls_say_which_arguments_are_paths) {
  std::size_t paths = 0;
  for (const Variant& variant : variants()) {
    for_attachments(variant, [&](const Attachment& attachment) {
      if (attachment.program != "enter_path") return;
      ++paths;
      const auto operation = attachment.cookie & 0xff;
      const auto first = (attachment.cookie >> 8) & 0xff;
      const auto second = (attachment.cookie >> 16) & 0xff;
      cr_assert((operation >= AKM_OP_RENAME && operation <= AKM_OP_UNMOUNT) ||
                operation == AKM_OP_ATTRIBUTES);
      cr_assert_lt(first, 4u);
      cr_assert(second < 4 || second == AKM_NO_ARGUMENT);
    });
  }
  cr_assert_gt(paths, 20u);
}

Test(variants, raw_sys_enter_is_never_used) {
  for (const Variant& variant : variants()) {
    for_attachments(variant, [](const Attachment& attachment) {
      cr_assert_neq(attachment.event, "sys_enter");
      cr_assert_neq(attachment.event, "sys_exit");
    });
  }
}
