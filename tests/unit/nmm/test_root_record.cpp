#include "daemon/nmm/root_record.h"

#include <criterion/criterion.h>

#include "tests/unit/nmm/memory_store.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;

namespace {

RootRecord sample() {
  RootRecord out;
  out.node.identity.asr_id = 3;
  out.node.identity.nmm_id = 4;
  out.node.identity.node_id = 5;
  out.node.identity.nmm_name = "root";
  out.node.identity.node_name = "north";
  out.node.identity.nmm_endpoints = {"192.0.2.1:7402"};
  out.node.state = node::NodeState::active;
  out.secured = true;
  out.acked = 99;
  return out;
}

}  // namespace

Test(root_record, there_is_none_until_one_is_saved) {
  MemoryStore store;
  RootRecords records(store);
  cr_assert_not(records.load()->has_value());
  cr_assert(records.save(sample()));
  const auto again = records.load();
  cr_assert(again && again->has_value());
  cr_assert((*again)->node == sample().node);
  cr_assert((*again)->secured);
  cr_assert_not((*again)->restoring);
  cr_assert_eq((*again)->acked, 99U);
}

Test(root_record, progress_alone_is_saved_alone) {
  MemoryStore store;
  RootRecords records(store);
  RootRecord record = sample();
  cr_assert(records.save(record));
  record.acked = 120;
  record.restoring = record.calling = true;
  record.node.identity.node_name = "not written";
  cr_assert(records.save_progress(record));
  const auto again = records.load();
  cr_assert_eq((*again)->acked, 120U);
  cr_assert((*again)->restoring);
  cr_assert((*again)->calling);
  cr_assert_str_eq((*again)->node.identity.node_name.c_str(), "north");
}

Test(root_record, without_its_progress_it_begins_anew_and_damage_is_said) {
  MemoryStore store;
  RootRecords records(store);
  cr_assert(records.save(sample()));
  store.records.erase("nmm-root-link");
  const auto again = records.load();
  cr_assert(again && again->has_value());
  cr_assert_not((*again)->secured);
  store.records["nmm-root-link"] = {1, 2};
  cr_assert(records.load().error().code == Errc::state_corrupt);
}

Test(root_record, one_of_the_former_version_has_nothing_to_forget) {
  MemoryStore store;
  RootRecords records(store);
  RootRecord record = sample();
  record.forget_for = 3;
  cr_assert(records.save(record));
  cr_assert_eq((*records.load())->forget_for, 3U);
  auto& bytes = store.records.at("nmm-root-link");
  bytes[0] = 1;
  cr_assert_not(records.load().has_value(), "too long for it");
  bytes.resize(10);
  cr_assert_eq((*records.load())->forget_for, 0U);
  cr_assert_eq((*records.load())->acked, 99U);
}
