#include "tools/akmctl/install_checks.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/fake_ports.h"
#include "tests/unit/akmctl/machine_root.h"

using namespace akm;
using namespace akm::ctl;
using namespace akm::test;
using akm::dbus::Service;

namespace {

constexpr const char* kConfig = "/etc/akm/akmd.toml";
constexpr const char* kState = "/var/lib/akmd";

/// A node that is installed as the package does it, and runs.
struct Node : MachineRoot {
  Node() {
    if (geteuid() != 0) cr_skip_test("needs uid 0: files that belong to root");
    write("/usr/sbin/akmd", "");
    write(kConfig, "");
    write("/var/lib/akmd/akm.state", "");
    write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nakmd:x:990:990::/var/lib/akmd:/usr/sbin/nologin\n");
    mode(kState, 0700);
    own(kState, 990);
    answers["--version"] = {0, "akmd " AKM_VERSION "\n"};
    answers["--check-config"] = {0, "valid\n"};
    seen.node = FakeNode().status();
    seen.node->version = AKM_VERSION;
  }
  void mode(const std::string& path, mode_t bits) const {
    cr_assert_eq(chmod((folder.path() + path).c_str(), bits), 0);
  }
  void own(const std::string& path, uid_t user) const {
    cr_assert_eq(chown((folder.path() + path).c_str(), user, 0), 0);
  }
  [[nodiscard]] Check permission(const std::string& path) const {
    return named(permission_checks(machine), path);
  }
  Sighting seen;
};

}  // namespace

Test(install_checks, as_it_should_be) {
  const Node node;
  for (const Checks& checks : {daemon_checks(node.machine, &node.seen), configuration_checks(node.machine),
                               permission_checks(node.machine)}) {
    cr_assert_not(checks.empty());
    for (const Check& one : checks)
      cr_expect(one.health == Health::good, "%s: %s", one.name.c_str(), one.says.c_str());
  }
}

Test(install_checks, daemons) {
  Node node;
  node.answers["--version"] = {0, "akmd 9.9.9\n"};
  cr_assert(daemon_checks(node.machine, &node.seen)[0].remedy.contains("systemctl restart akmd"));
  node.answers["--version"] = {0, "akmd 0.0.9\n"};
  node.seen.node->version = "0.0.9";
  cr_assert(daemon_checks(node.machine, &node.seen)[0].says.contains("this is akmctl"));
  node.seen.node.reset();
  node.seen.silent[Service::node] = {Errc::not_authorized, ""};
  cr_assert(daemon_checks(node.machine, &node.seen)[0].health == Health::notice);
  node.seen.silent[Service::node] = {Errc::timed_out, ""};
  const Check hangs = daemon_checks(node.machine, &node.seen)[0];
  cr_assert(hangs.health == Health::problem && hangs.says.contains("does not answer"), "%s",
            hangs.says.c_str());
  node.seen.silent.clear();
  const Check down = daemon_checks(node.machine, &node.seen)[0];
  cr_assert(down.health == Health::problem && down.says == "does not run" &&
            down.remedy.contains("systemctl restart akmd"));
  cr_assert(daemon_checks(node.machine, nullptr)[0].health == Health::notice, "nobody could be asked");
  const MachineRoot empty;
  cr_assert(daemon_checks(empty.machine, nullptr)[0].remedy.contains("apt install"));
}

Test(install_checks, configuration) {
  Node node;
  node.answers["--check-config"] = {2,
                                    "akmd: The configuration is not valid: a.toml:3: unknown key x\nmore\n"};
  const Check wrong = configuration_checks(node.machine)[0];
  cr_assert(wrong.health == Health::problem);
  cr_assert(wrong.says.ends_with("a.toml:3: unknown key x"), "%s", wrong.says.c_str());
  node.answers["--check-config"] = {-1, ""};
  cr_assert(configuration_checks(node.machine)[0].health == Health::notice, "it did not end");
  node.answers.clear();
  cr_assert(configuration_checks(node.machine)[0].health == Health::notice, "it did not begin");
  std::filesystem::remove(node.folder.path() + kConfig);
  cr_assert(configuration_checks(node.machine)[0].remedy.contains("akmd --print-config > "));
  node.write("/etc/akm/policy.toml", "[policy]\nmode = \"observe\"\n");
  cr_assert(named(configuration_checks(node.machine), "/etc/akm/policy.toml").health == Health::good);
  node.write("/etc/akm/policy.toml", "[policy]\nmode = \"sometimes\"\n");
  const Check policy = named(configuration_checks(node.machine), "/etc/akm/policy.toml");
  cr_assert(policy.health == Health::problem && policy.remedy.contains("akmctl policy check"));
}

Test(install_checks, permissions) {
  const Node node;
  node.mode(kConfig, 0666);
  cr_assert(node.permission(kConfig).health == Health::problem);
  cr_assert(node.permission(kConfig).remedy.contains("chmod go-w"));
  node.mode(kConfig, 0644);
  node.own(kConfig, 1000);
  cr_assert(node.permission(kConfig).health == Health::problem);
  node.write("/etc/akm/akmd.toml.d/a.toml", "");
  cr_assert(node.permission("/etc/akm/akmd.toml.d/a.toml").health == Health::good);
  node.mode("/etc/akm/akmd.toml.d/a.toml", 0666);
  cr_assert(node.permission("/etc/akm/akmd.toml.d/a.toml").health == Health::problem);
  node.mode("/etc/akm/akmd.toml.d", 0775);
  cr_assert(node.permission("/etc/akm/akmd.toml.d").health == Health::problem);
  node.mode("/etc/akm", 0777);
  cr_assert(node.permission("/etc/akm").health == Health::problem);
  node.own(kState, 1000);
  cr_assert(node.permission(kState).remedy.contains("chown -R akmd:"));
  node.mode(kState, 0750);
  cr_assert(node.permission(kState).remedy.contains("chmod 0700"));
  node.write(kConfig, "[state]\nfolder = \"/srv/akm\"\n[sealing]\npin_file = \"/etc/akm/pin\"\n");
  node.write("/etc/akm/pin", "1234");
  node.mode("/etc/akm/pin", 0640);
  cr_assert(node.permission("/etc/akm/pin").health == Health::problem);
  node.mode("/etc/akm/pin", 0400);
  cr_assert(node.permission("/etc/akm/pin").health == Health::good);
  node.write("/srv/akm/x", "");
  node.mode("/srv/akm", 0755);
  cr_assert(node.permission("/srv/akm").health == Health::problem);
}

Test(install_checks, what_may_not_be_read_is_not_called_good) {
  const Node node;
  node.mode("/etc/akm", 0700);
  cr_assert_eq(chmod(node.folder.path().c_str(), 0755), 0);
  cr_assert_eq(seteuid(65534), 0);
  const Checks configuration = configuration_checks(node.machine);
  const Checks permissions = permission_checks(node.machine);
  cr_assert_eq(seteuid(0), 0);
  cr_assert(named(configuration, kConfig).health == Health::notice);
  cr_assert(named(permissions, kConfig).health == Health::notice);
  cr_assert(named(permissions, kConfig).remedy.contains("root"));
}
