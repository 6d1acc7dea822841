#include "daemon/sentry/decision_event.h"

#include <criterion/criterion.h>

#include "daemon/policy/grading.h"

using namespace akm;
using namespace akm::sentry;
using policy::Response;

namespace {

policy::Detection detection() {
  policy::Detection out;
  out.detection = policy::DetectionClass::process_access;
  out.boottime_ns = 5;
  out.subject = {{"pid", "99"}, {"uid", "0; rm"}, {"comm", "gdb"}};
  out.evidence = {{"operation", "ptrace"}, {"comm", "of the evidence"}};
  return out;
}

policy::Decision decision() {
  policy::Decision out;
  out.grade = policy::Grade::critical;
  out.actions = {Response::revoke_local, Response::signal};
  out.would_do = {Response::report};
  out.reason = "why";
  return out;
}

}  // namespace

Test(decision_event, tells_who_did_what_and_what_follows) {
  const EventRecord event = decision_event("x", detection(), decision(), 0xab);
  cr_assert_eq(event.name, "x");
  cr_assert_eq(event.severity, policy::severity_of_grade(policy::Grade::critical));
  cr_assert_eq(event.boottime_ns, 5);
  cr_assert_eq(event.subject, (std::vector<std::string>{"pid", "uid"}),
               "what the evidence says stays its own");
  cr_assert_eq(event.fields.at("comm"), "of the evidence");
  cr_assert_eq(event.fields.at("class"), "process-access");
  cr_assert_eq(event.fields.at("actions"), "revoke-local signal");
  cr_assert_eq(event.fields.at("not_done"), "report");
  cr_assert_eq(event.fields.at("incident"), "00000000000000ab");
  cr_assert_not(decision_event("x", detection(), {}, 0).fields.contains("incident"));
}

Test(decision_event, a_hook_gets_numbers_and_no_text_of_others) {
  const auto environment = hook_environment(detection(), decision(), "00");
  cr_assert_eq(environment.at("AKM_CLASS"), "process-access");
  cr_assert_eq(environment.at("AKM_PID"), "99");
  cr_assert_eq(environment.at("AKM_UID"), "");
  cr_assert_eq(environment.at("AKM_NODE_ID"), "00");
}

Test(decision_event, wants_what_is_among_the_actions) {
  cr_assert(wants(decision(), Response::revoke_local));
  cr_assert_not(wants(decision(), Response::report));
}
