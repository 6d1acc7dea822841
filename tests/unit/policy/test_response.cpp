#include "daemon/policy/response.h"

#include <criterion/criterion.h>

using namespace akm::policy;

Test(response, names_read_back) {
  for (const Response response : kResponses)
    cr_assert_eq(*response_by_name(response_name(response)), response);
  cr_assert_not(response_by_name("evict").has_value());
  cr_assert_eq(*mode_by_name("enforce"), Mode::enforce);
  cr_assert_not(mode_by_name("off").has_value());
}

Test(response, what_costs_something_needs_more_than_an_observation) {
  for (const Response response : kResponses) {
    const bool harmless = response == Response::log || response == Response::signal;
    cr_assert_eq(least_grade(response) == Grade::observe, harmless);
  }
  cr_assert_eq(least_grade(Response::zeroize), Grade::critical);
}

Test(response, a_class_has_an_answer_for_each_grade) {
  ClassPolicy policy;
  policy.on_observe = {Response::log};
  policy.on_evidence = {Response::signal};
  policy.on_critical = {Response::report};
  cr_assert_eq(policy.on(Grade::observe)[0], Response::log);
  cr_assert_eq(policy.on(Grade::evidence)[0], Response::signal);
  cr_assert_eq(policy.on(Grade::critical)[0], Response::report);
}
