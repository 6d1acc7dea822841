#include "daemon/sentry/open_probes.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::sentry;

Test(open_probes, probes_that_are_off_are_a_finding) {
  std::vector<std::string> findings;
  cr_assert(open_probes({.enabled = false}, "/tmp", findings) == nullptr);
  cr_assert_eq(findings.size(), 1);
}

Test(open_probes, probes_that_cannot_be_had_are_a_finding) {
  std::vector<std::string> findings;
  cr_assert(open_probes({}, "/no/such/folder", findings) == nullptr);
  cr_assert_eq(findings.size(), 1);
}
