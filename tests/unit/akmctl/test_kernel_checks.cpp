#include "tools/akmctl/kernel_checks.h"

#include <criterion/criterion.h>
#include <sys/timex.h>

#include <cerrno>

#include "tests/unit/akmctl/machine_root.h"

using namespace akm;
using namespace akm::ctl;
using namespace akm::test;

namespace {

constexpr const char* kLsm = "/sys/kernel/security/lsm";
constexpr const char* kLockdown = "/sys/kernel/security/lockdown";
constexpr const char* kMounts = "/proc/self/mounts";
constexpr const char* kUsers = "/proc/key-users";

/// A machine that has all.
struct Good : MachineRoot {
  Good() {
    write("/proc/sys/kernel/osrelease", "6.1.0-13-amd64\n");
    write("/sys/kernel/btf/vmlinux", "x");
    write(kLsm, "lockdown,capability,apparmor,bpf");
    write(kLockdown, "[none] integrity confidentiality\n");
    write(kMounts, "bpf /sys/fs/bpf bpf rw 0 0\ntracefs /sys/kernel/tracing tracefs rw 0 0\n");
    write("/proc/sys/kernel/keys/maxkeys", "200\n");
    write("/proc/sys/kernel/keys/maxbytes", "20000\n");
    write(kUsers, "    0:    72 71/71 42/1000000 1036/25000000\n  990:     5 5/5 12/200 600/20000\n");
  }
  void take_away(const std::string& path) const { std::filesystem::remove(folder.path() + path); }
  [[nodiscard]] Check kernel(const std::string& name) const { return named(kernel_checks(machine), name); }
};

}  // namespace

Test(kernel_checks, a_machine_that_has_all) {
  const Good good;
  for (const Checks& checks :
       {kernel_checks(good.machine), keyring_checks(good.machine), clock_checks(good.machine)}) {
    cr_assert_not(checks.empty());
    for (const Check& one : checks)
      cr_expect(one.health == Health::good, "%s: %s", one.name.c_str(), one.says.c_str());
  }
  cr_assert_eq(kernel_checks(good.machine).size(), 8);
  cr_assert_eq(tier_of(good.machine), "lsm");
}

Test(kernel_checks, what_cannot_be_looked_at_is_never_good) {
  const MachineRoot none;
  Checks all = kernel_checks(none.machine);
  std::ranges::move(keyring_checks(none.machine), std::back_inserter(all));
  for (const char* name : {"version", "security modules", "lockdown", "bpffs and tracefs", "quota"})
    cr_expect(named(all, name).health == Health::notice, "%s: %s", name, named(all, name).says.c_str());
  cr_assert(tier_of(none.machine) == "user space");
  none.write("/sys/kernel/btf/vmlinux", "x");
  cr_assert(tier_of(none.machine).starts_with("not known"));
}

Test(kernel_checks, each_that_is_missing_says_what_to_do) {
  Good bad;
  bad.write("/proc/sys/kernel/osrelease", "4.19.0\n");
  bad.take_away("/sys/kernel/btf/vmlinux");
  bad.write(kLsm, "capability,apparmor");
  bad.write(kMounts, "proc /proc proc rw 0 0\nbpf /elsewhere bpf rw 0 0\n");
  bad.machine.try_io_uring = [] { return EPERM; };
  bad.machine.try_secret_memory = [] { return ENOSYS; };
  const std::vector<std::tuple<std::string, Health, std::string>> wanted{
      {"version", Health::problem, "5.10"},
      {"BTF", Health::problem, "CONFIG_DEBUG_INFO_BTF"},
      {"security modules", Health::warning, "lsm=capability,apparmor,bpf"},
      {"bpffs", Health::warning, "mount -t bpf"},
      {"tracefs", Health::warning, "mount -t tracefs"},
      {"io_uring", Health::notice, "seccomp"},
      {"secret memory", Health::notice, "secretmem.enable=1"}};
  for (const auto& [name, health, remedy] : wanted) {
    const Check one = bad.kernel(name);
    cr_expect(one.health == health, "%s", name.c_str());
    cr_expect(one.remedy.contains(remedy), "%s: %s", name.c_str(), one.remedy.c_str());
  }
  bad.write("/proc/sys/kernel/io_uring_disabled", "2\n");
  cr_assert(bad.kernel("io_uring").says.contains("io_uring_disabled=2"));
}

Test(kernel_checks, lockdown) {
  const Good machine;
  machine.write(kLockdown, "none [integrity] confidentiality\n");
  cr_assert(machine.kernel("lockdown").health == Health::good);
  machine.write(kLockdown, "none integrity [confidentiality]\n");
  cr_assert(machine.kernel("lockdown").health == Health::warning);
  cr_assert_eq(tier_of(machine.machine), "user space");
  machine.take_away(kLockdown);
  cr_assert(machine.kernel("lockdown").health == Health::notice);
  machine.write(kLsm, "capability");
  cr_assert(machine.kernel("lockdown").says.contains("none"));
  cr_assert_eq(tier_of(machine.machine), "tracepoint");
  machine.write(kMounts, "");
  cr_assert_eq(tier_of(machine.machine), "fentry");
}

Test(kernel_checks, quota_that_is_nearly_used_up) {
  const Good machine;
  machine.write(kUsers, "    0:    72 71/71 42/1000000 1036/25000000\n  990:     5 5/5 12/200 16000/20000\n");
  Checks checks = keyring_checks(machine.machine);
  cr_assert_eq(checks.size(), 2);
  cr_assert(checks[1].health == Health::warning);
  cr_assert(checks[1].says.contains("user 990 holds 12 of 200 keys, 16000 of 20000 bytes"));
  cr_assert(checks[1].remedy.contains("kernel.keys.maxkeys"));
  machine.write(kUsers, "    0:    72 71/71 1000000/1000000 1036/25000000\n");
  checks = keyring_checks(machine.machine);
  cr_assert(checks[1].health == Health::problem);
  cr_assert(checks[1].remedy.contains("kernel.keys.root_maxkeys"));
  machine.write("/proc/sys/kernel/keys/maxkeys", "20\n");
  cr_assert(keyring_checks(machine.machine)[0].health == Health::problem);
  machine.take_away(kUsers);
  cr_assert(named(keyring_checks(machine.machine), "use of the quota").health == Health::notice);
  std::filesystem::remove_all(machine.folder.path() + "/proc/sys/kernel/keys");
  cr_assert(keyring_checks(machine.machine)[0].remedy.contains("CONFIG_KEYS"));
}

Test(kernel_checks, clock) {
  MachineRoot machine;
  machine.machine.clock_state = [] { return TIME_ERROR; };
  cr_assert(clock_checks(machine.machine)[0].remedy.contains("timesyncd"));
  machine.machine.clock_state = [] { return -1; };
  cr_assert(clock_checks(machine.machine)[0].says.contains("could not be looked at"));
}
