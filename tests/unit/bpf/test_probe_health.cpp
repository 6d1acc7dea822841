#include "bpf/loader/probe_health.h"

#include <criterion/criterion.h>

#include <set>
#include <string>

using namespace akm;
using namespace akm::bpf;

namespace {

/// An object in which every group has the same state, but for one.
class FakeObject final : public ProbeObject {
 public:
  GroupState rest;
  GroupState one;
  Group which = Group::keys;

  Status attach() override { return {}; }
  [[nodiscard]] int map_fd(const char*) const override { return -1; }
  [[nodiscard]] const GroupState& state(Group group) const override { return group == which ? one : rest; }
  [[nodiscard]] std::optional<Tier> tier(Group) const override { return Tier::tracepoint; }
  void not_proven(Group) override {}
  [[nodiscard]] std::size_t links() const override { return 0; }
  [[nodiscard]] std::size_t live_links() const override { return 0; }
  std::vector<std::string> take_gone_links() override { return {}; }
  [[nodiscard]] std::vector<std::pair<std::uint32_t, std::uint32_t>> object_ids() const override {
    return {};
  }
};

const ProbeHealth& row(const std::vector<ProbeHealth>& all, const std::string& name) {
  for (const ProbeHealth& health : all) {
    if (health.detection == name) return health;
  }
  cr_assert(false, "a row is missing");
  return all.front();
}

}  // namespace

Test(probe_health, a_row_is_as_good_as_its_weakest_group) {
  FakeObject object;
  object.rest = {.tier = "lsm", .attached = true, .reason = {}, .better = {}};
  object.one = {.tier = "tracepoint", .attached = true, .reason = {}, .better = {}};
  object.which = Group::process;
  const auto health = row_health(object, "");
  cr_assert_eq(row(health, "D2").tier, "tracepoint");
  cr_assert_not(row(health, "D2").detail.empty(), "the blind spot of that tier is told");
  cr_assert_eq(row(health, "D3").tier, "lsm");
  cr_assert(row(health, "D3").detail.empty());
  cr_assert_eq(row(health, "D10").tier, "lsm + fanotify");
}

Test(probe_health, what_no_tier_sees_is_said_on_every_tier) {
  FakeObject object;
  for (const char* tier : {"lsm", "fentry", "tracepoint"}) {
    object.one = object.rest = {.tier = tier, .attached = true, .reason = {}, .better = {}};
    const auto health = row_health(object, "");
    cr_assert_neq(row(health, "D16").detail.find("a copy of a tool"), std::string::npos);
  }
}

Test(probe_health, what_is_missing_is_said_in_every_row_that_needs_it) {
  FakeObject object;
  object.rest = {.tier = "tracepoint", .attached = true, .reason = {}, .better = {}};
  object.one = {.tier = "none", .attached = false, .reason = "no right", .better = {}};
  object.which = Group::files;
  const auto health = row_health(object, "no fanotify");
  for (const char* name : {"D2", "D3", "D10", "D18"}) {
    cr_assert_not(row(health, name).attached);
    cr_assert_neq(row(health, name).detail.find("no right"), std::string::npos);
  }
  cr_assert_neq(row(health, "D10").detail.find("no fanotify"), std::string::npos);
  cr_assert(row(health, "D1").attached);
}

Test(probe_health, what_the_kernel_has_not_is_not_missing) {
  FakeObject object;
  object.one = object.rest = {.tier = "absent", .attached = true, .reason = "none", .better = {}};
  cr_assert(row(row_health(object, ""), "D5").attached);
  cr_assert_eq(row(row_health(object, ""), "D5").tier, "absent");
}

Test(probe_health, rows_are_named_once) {
  std::set<std::string_view> names;
  for (const WatchedRow& one : watched_rows()) {
    cr_assert(names.insert(one.row).second);
    cr_assert_not(one.groups.empty());
  }
}
