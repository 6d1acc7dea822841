#include "daemon/root/nmm_record.h"

#include <criterion/criterion.h>

#include "tests/unit/nmm/memory_store.h"

using namespace akm;
using namespace akm::root;
using akm::nmm::test::MemoryStore;

namespace {

NmmRecord sample(protocol::NodeId id) {
  NmmRecord out;
  out.nmm_id = id;
  out.name = "nmm-" + std::to_string(id);
  out.state = NmmState::active;
  out.asr_id = 100 + id;
  out.serial = 2;
  out.activated_serial = 1;
  out.hardware_value = {1, 2};
  out.endpoints = {"192.0.2.1:7400"};
  out.peer = "192.0.2.1:7400";
  out.version = "0.1.0";
  out.prepared_at_s = 5;
  out.secrets = {1, 2};
  out.issue_pending = true;
  out.restore = true;
  out.policy_pending = true;
  out.incarnation_floor = 1U << 20;
  out.fenced = {{77, 1}};
  return out;
}

}  // namespace

Test(nmm_record, comes_back_whole_and_is_refused_when_cut) {
  const auto bytes = sample(1).encode();
  cr_assert(*NmmRecord::decode(bytes) == sample(1));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    cr_assert(NmmRecord::decode(std::span(bytes).first(size)).error().code == Errc::state_corrupt);
}

Test(nmm_record, the_book_finds_by_each_of_its_names) {
  MemoryStore store;
  NmmBook book(store);
  cr_assert(book.put(sample(1)));
  cr_assert(book.put(sample(2)));
  cr_assert_eq(book.find(2)->name, "nmm-2");
  cr_assert_eq(book.by_name("nmm-1")->nmm_id, 1U);
  cr_assert_eq(book.by_asr(102)->nmm_id, 2U);
  cr_assert_not_null(book.by_fenced(77));
  cr_assert_null(book.by_fenced(101));
  cr_assert_null(book.find(3));
  NmmRecord same = sample(3);
  same.name = "nmm-1";
  cr_assert(book.put(same).error().code == Errc::already_exists);

  NmmBook again(store);
  cr_assert(again.load()->empty());
  cr_assert_eq(again.all().size(), 2U);
  cr_assert(*again.find(1) == sample(1));
}

Test(nmm_record, a_damaged_one_is_kept_and_named_and_a_full_disk_changes_nothing) {
  MemoryStore store;
  NmmBook book(store);
  cr_assert(book.put(sample(1)));
  store.failing = true;
  NmmRecord next = sample(1);
  next.serial = 9;
  cr_assert_not(book.put(next).has_value());
  cr_assert_eq(book.find(1)->serial, 2U);
  store.failing = false;
  store.records["root-nmm-0000000000000001"] = {9};
  NmmBook again(store);
  cr_assert_eq(again.load()->size(), 1U);
  cr_assert(again.all().empty());
  cr_assert_eq(store.records.size(), 1U);
}

Test(nmm_record, what_came_to_be_known_meanwhile_is_merged) {
  NmmRecord before;
  before.nmm_id = 1;
  before.asr_id = 10;
  before.serial = 1;
  before.secrets = {1, 2};
  before.fenced = {{8, 1}, {9, 1}};
  NmmRecord present = before;
  present.activated_serial = 1;
  present.state = NmmState::active;
  present.peer = "10.0.0.1:7400";
  present.version = "2";
  present.secrets = {2};
  present.fenced.erase(8);

  NmmRecord next = before;  // the next serial of the same machine
  next.serial = 2;
  cr_assert(merge_into(next, before, present).has_value());
  cr_assert_eq(next.serial, 2U);
  cr_assert_eq(next.activated_serial, 1U);
  cr_assert(next.state == NmmState::active);
  cr_assert_str_eq(next.peer.c_str(), "10.0.0.1:7400");
  cr_assert((next.secrets == std::set<std::uint32_t>{2}));

  NmmRecord other = before;  // another machine
  other.serial = 2;
  other.asr_id = 11;
  other.fenced[10] = 1;
  other.secrets.insert(3);
  cr_assert(merge_into(other, before, present).has_value());
  cr_assert_eq(other.activated_serial, 0U);
  cr_assert(other.state == NmmState::prepared && other.peer.empty());
  cr_assert_str_eq(other.version.c_str(), "2");
  cr_assert((other.secrets == std::set<std::uint32_t>{2, 3}));
  cr_assert_eq(other.fenced.size(), 2U);
  cr_assert(other.fenced.contains(9) && other.fenced.contains(10));

  present.secrets = {1, 2, 4, 5};
  NmmRecord many = before;
  many.secrets.insert(3);
  cr_assert_eq(merge_into(many, before, present).error().code, Errc::limit_exceeded);
  present.serial = 2;
  cr_assert_eq(merge_into(next, before, present).error().code, Errc::busy);
}
