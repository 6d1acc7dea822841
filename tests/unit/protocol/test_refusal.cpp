#include "daemon/protocol/refusal.h"

#include <criterion/criterion.h>

#include <set>
#include <string>

namespace {

using akm::protocol::Refusal;
using akm::protocol::refusal_name;

Test(refusal, each_has_its_own_name) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < akm::protocol::kRefusalCount; ++i) {
    const auto name = refusal_name(static_cast<Refusal>(i));
    cr_assert(!name.empty());
    cr_assert(names.emplace(name).second, "double name");
  }
}

Test(refusal, names_stand_in_the_order_of_the_enum) {
  cr_assert_eq(refusal_name(Refusal::too_short), "too-short");
  cr_assert_eq(refusal_name(Refusal::unknown_generation), "unknown-generation");
  cr_assert_eq(refusal_name(Refusal::cloned_identity), "cloned-identity");
  cr_assert_eq(refusal_name(Refusal::not_authentic), "not-authentic");
  cr_assert_eq(refusal_name(Refusal::other_addressee), "other-addressee");
  cr_assert_eq(refusal_name(Refusal::over_limit), "over-limit");
}

}  // namespace
