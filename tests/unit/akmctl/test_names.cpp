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
