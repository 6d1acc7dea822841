#include "bpf/loader/kernel_gaps.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"

using akm::bpf::kernel_gaps;

Test(kernel_gaps, no_btf_and_lockdown_are_said) {
  const akm::test::TemporaryFolder sys;
  cr_assert_neq(kernel_gaps(sys.path()).find("no BTF"), std::string::npos);
  (void)sys.write("kernel/btf/vmlinux", "x");
  cr_assert(kernel_gaps(sys.path()).empty());
  (void)sys.write("kernel/security/lockdown", "[none] integrity confidentiality\n");
  cr_assert(kernel_gaps(sys.path()).empty());
  (void)sys.write("kernel/security/lockdown", "none [integrity] confidentiality\n");
  cr_assert_neq(kernel_gaps(sys.path()).find("in force: integrity"), std::string::npos);
  (void)sys.write("kernel/security/lockdown", "none integrity [confidentiality]\n");
  cr_assert_neq(kernel_gaps(sys.path()).find("in force: confidentiality"), std::string::npos);
}
