#include "tools/akmctl/health.h"

#include <criterion/criterion.h>

#include <nlohmann/json.hpp>

#include "tools/akmctl/exit_code.h"
#include "tools/akmctl/screen.h"

using namespace akm::ctl;

namespace {

const Check kGood{"kernel", "BTF", Health::good, "there", ""};
const Check kWarning{"tpm", "TPM", Health::warning, "there is none", "have one"};
const Check kProblem{"node", "", Health::problem, "it is down", "systemctl start akmd"};

}  // namespace

Test(health, the_worst_says_the_exit_code) {
  cr_assert_eq(exit_code_of(worst({})), kExitOk);
  cr_assert_eq(exit_code_of(worst({kGood})), kExitOk);
  cr_assert_eq(exit_code_of(Health::notice), kExitOk);
  cr_assert_eq(exit_code_of(worst({kWarning, kGood})), kExitWarning);
  cr_assert_eq(exit_code_of(worst({kGood, kProblem, kWarning})), kExitProblem);
}

Test(health, text) {
  cr_assert_eq(check_text(kGood), "ok       BTF: there\n");
  cr_assert_eq(check_text(kProblem), "PROBLEM  it is down\n         Do: systemctl start akmd\n");
  cr_assert_eq(verdict({kGood}), "All is well");
  cr_assert_eq(verdict({kGood, kWarning, kWarning}), "2 warnings");
  cr_assert_eq(verdict({kProblem, kWarning}), "1 problem, 1 warning");
}

Test(health, lines_hang_under_the_mark) {
  screen().columns = 30;
  cr_assert_eq(check_text({"a", "", Health::notice, "one two three four five six", "seven"}),
               "note     one two three four\n         five six\n         Do: seven\n");
}

Test(health, what_could_not_be_looked_at) {
  const Check one = unseen("tpm", "TPM", {akm::Errc::not_authorized, "/dev/tpmrm0"});
  cr_assert(one.health == Health::notice);
  cr_assert(one.says.starts_with("could not be looked at: ") && one.says.contains("/dev/tpmrm0"));
  cr_assert_eq(one.remedy, "ask as root");
  cr_assert(unseen("tpm", "TPM", {akm::Errc::io_failed, ""}).remedy.empty());
}

Test(health, json) {
  const auto list = nlohmann::json::parse(checks_json({kWarning}));
  cr_assert_eq(list.size(), 1);
  cr_assert_eq(list[0]["area"], "tpm");
  cr_assert_eq(list[0]["health"], "warning");
  cr_assert_eq(list[0]["remedy"], "have one");
}
