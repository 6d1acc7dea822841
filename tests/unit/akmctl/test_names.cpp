#include "tools/akmctl/names.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::ctl;

namespace {
const std::vector<Named> kAll{{0xa1a1a1a100000001, "A"},
                              {0xa1a1a1a100000002, "B"},
                              {0xbeef000000000003, "twin"},
                              {0xcafe000000000004, "twin"},
                              {0x5, "cafe000000000004"}};
}

Test(names, by_name_by_id_and_by_the_start_of_an_id) {
  cr_assert_eq(*resolve("B", "node", kAll), 0xa1a1a1a100000002);
  cr_assert_eq(*resolve("a1a1a1a100000001", "node", kAll), 0xa1a1a1a100000001);
  cr_assert_eq(*resolve("BEEF000000000003", "node", kAll), 0xbeef000000000003);
  cr_assert_eq(*resolve("beef", "node", kAll), 0xbeef000000000003);
}

Test(names, ambiguity_names_the_candidates) {
  for (const char* text : {"twin", "a1a1", "cafe000000000004"}) {
    const auto found = resolve(text, "node", kAll);
    cr_assert(!found && found.error().code == Errc::invalid_argument, "%s", text);
  }
  const Error error = resolve("twin", "node", kAll).error();
  cr_assert(error.detail.contains("beef000000000003 (twin), cafe000000000004 (twin)"), "%s",
            error.detail.c_str());
}

Test(names, nothing_found) {
  for (const char* text : {"", "C", "bee", "ffff", "a1a1a1a1000000010"}) {
    const auto found = resolve(text, "node", kAll);
    cr_assert(!found && found.error().code == Errc::not_found, "%s", text);
  }
  cr_assert_eq(resolve("A", "node", {}).error().code, Errc::not_found);
}

Test(names, a_relationship_that_is_being_deleted_gives_way_to_one_of_its_name) {
  AsrSnapshot old;
  old.id = 1;
  old.label = "line";
  old.phase = "retiring";
  AsrSnapshot living = old;
  living.id = 2;
  living.phase = "complete";
  cr_assert_eq(resolve_asr("line", {old, living}).value(), 2);
  cr_assert_eq(resolve_asr("line", {old}).value(), 1);
  cr_assert_eq(resolve_asr("0000000000000001", {old, living}).value(), 1);
}

Test(names, a_whole_id_of_a_relationship_is_taken_as_it_is) {
  cr_assert_eq(*resolve_asr("00000000000000f1", {}), 0xf1);
  cr_assert_eq(resolve_asr("f1", {}).error().code, Errc::not_found);
}
