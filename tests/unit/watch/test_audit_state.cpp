#include "daemon/watch/audit_state.h"

#include <criterion/criterion.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"
#include "tests/unit/watch/aside.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Aside;
using akm::test::Heard;

namespace {

/// Looks with these facts, one after the other.
std::size_t judged(const std::vector<Facts>& looks, Heard& heard) {
  Baseline baseline;
  for (const Facts& facts : looks) {
    std::vector<Change> changes = baseline.compare(facts);
    judge_audit({std::move(changes), facts, baseline}, Instant{1}, heard.tell());
  }
  return heard.all.size();
}

}  // namespace

Test(audit_state, services_by_their_control_groups) {
  const test::TemporaryFolder sys;
  const std::string journald = "fs/cgroup/system.slice/systemd-journald.service/cgroup.procs";
  sys.write(journald, "123\n");
  sys.write("fs/cgroup/system.slice/auditd.service/cgroup.procs", "");
  const Facts facts = audit_facts(sys.path()).value();
  cr_assert_eq(facts.at("systemd-journald.service"), "running");
  cr_assert_not(facts.contains("auditd.service"));
  std::filesystem::remove(sys.file(journald));
  cr_assert_not(audit_facts(sys.path()).value().contains("systemd-journald.service"));
}

Test(audit_state, a_service_that_stops_and_rules_that_go_are_told) {
  Heard heard;
  cr_assert_eq(judged({{{"auditd.service", "running"}, {"audit rules", "12"}, {"kernel audit", "on"}},
                       {{"audit rules", "0"}, {"kernel audit", "off"}}},
                      heard),
               3);
  for (const auto& one : heard.all) {
    cr_assert_eq(one.detection, policy::DetectionClass::audit_impaired);
    cr_assert_eq(policy::grade(one), policy::Grade::evidence);
  }
}

Test(audit_state, one_that_starts_and_rules_that_come_are_not) {
  Heard heard;
  cr_assert_eq(judged({{{"audit rules", "1"}, {"audit daemon", "none"}},
                       {{"auditd.service", "running"}, {"audit rules", "12"}, {"audit daemon", "running"}}},
                      heard),
               0);
}
