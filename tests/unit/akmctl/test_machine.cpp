#include "tools/akmctl/machine.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include "tests/support/swtpm_fixture.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::ctl;
using namespace akm::test;

Test(machine, files_below_its_root) {
  const TemporaryFolder folder;
  (void)folder.write("etc/a", "one\ntwo\n \n");
  (void)folder.write("big", std::string(2 << 20, 'x'));
  const Machine machine(folder.path());
  cr_assert_eq(*machine.read("/etc/a"), "one\ntwo");
  cr_assert_lt(machine.read("/big")->size(), (1 << 20) + 4096);
  cr_assert_eq(machine.read("/etc/b").error().code, Errc::not_found);
  cr_assert_eq(machine.read("/etc/a/b").error().code, Errc::not_found);
  cr_assert_eq(machine.read("/etc").error().code, Errc::io_failed, "a folder");
  cr_assert(machine.exists("/etc/a") && !machine.exists("/etc/b"));
  cr_assert_eq(chmod((folder.path() + "/etc/a").c_str(), 0640), 0);
  cr_assert_eq(machine.look("/etc/a")->st_mode & 0777U, 0640);
  cr_assert_eq(machine.look("/etc/b").error().code, Errc::not_found);
}

Test(machine, what_may_not_be_read_is_told_apart) {
  if (geteuid() != 0) cr_skip_test("needs uid 0 to become another");
  const TemporaryFolder folder;
  (void)folder.write("etc/a", "one");
  cr_assert_eq(chmod((folder.path() + "/etc").c_str(), 0700), 0);
  cr_assert_eq(chmod(folder.path().c_str(), 0755), 0);
  cr_assert_eq(seteuid(65534), 0);
  const Machine machine(folder.path());
  const auto read = machine.read("/etc/a");
  const auto looked = machine.look("/etc/a");
  cr_assert_eq(seteuid(0), 0);
  cr_assert_eq(read.error().code, Errc::not_authorized);
  cr_assert_eq(looked.error().code, Errc::not_authorized);
}

Test(machine, programs) {
  const Machine machine;
  const auto both = machine.run({"sh", "-c", "echo out; echo err >&2; exit 3"}, 10);
  cr_assert_eq(both->exit_code, 3);
  cr_assert_eq(both->output, "out\n");
  cr_assert_eq(both->errors, "err\n");
  cr_assert_eq(both->complaint(), "err");
  cr_assert_eq(machine.run({"sh", "-c", "echo one; echo two"}, 10)->complaint(), "one");
  // Neither waits for the other: more of each than a pipe holds.
  const auto much = machine.run({"sh", "-c", "head -c 300000 /dev/zero >&2; head -c 200000 /dev/zero"}, 60);
  cr_assert_eq(much->output.size(), 200000);
  cr_assert_eq(much->errors.size(), 300000);
  cr_assert_eq(machine.run({"no-such-program-of-akm"}, 10).error().code, Errc::not_found);
  cr_assert_eq(machine.run({"sleep", "100"}, 0)->exit_code, -1, "it is ended");
  const auto endless = machine.run({"yes"}, 60);
  cr_assert_eq(endless->output.size(), Machine::kOutputBytes);
  cr_assert_eq(endless->exit_code, -1);
}

Test(machine, ways_to_a_tpm) {
  const Machine machine;
  cr_assert_eq(machine.open_tpm("device:/nonexistent/tpm").error().code, Errc::not_found);
  cr_assert_eq(machine.open_tpm("swtpm:path=/nonexistent/tpm").error().code, Errc::not_found);
  cr_assert_eq(machine.open_tpm("swtpm:path=/" + std::string(200, 'a')).error().code, Errc::invalid_argument);
  cr_assert_eq(machine.open_tpm("tabrmd").error().code, Errc::not_supported);
  if (!have_swtpm()) cr_skip_test("%s", kNoSwtpm);
  const SwTpm tpm;
  cr_assert(machine.open_tpm(tpm.tcti()).has_value());
}

Test(machine, what_this_kernel_answers) {
  const Machine machine;
  cr_assert_geq(machine.try_io_uring(), 0);
  cr_assert_geq(machine.try_secret_memory(), 0);
  cr_assert_geq(machine.clock_state(), -1);
  cr_assert_gt(*machine.mtu_to("127.0.0.1:7400"), 1248);
  cr_assert_eq(machine.mtu_to("nonsense").has_value(), false);
}
