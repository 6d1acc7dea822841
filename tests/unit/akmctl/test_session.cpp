// How akmctl gets to a bus: an address, the environment, another machine.
#include <criterion/criterion.h>
#include <sys/stat.h>

#include <cstdlib>

#include "tests/unit/akmctl/akmctl_fixture.h"

using namespace akm;
using namespace akm::test;
using With = World::With;

namespace {

/// An ssh that goes nowhere: it notes what it was asked for and joins the private bus to its input and
/// output.
void put_ssh_in_path(const PrivateBus& bus) {
  const std::string ssh = bus.folder() + "/ssh";
  std::ofstream(ssh) << "#!/bin/sh\necho \"$@\" > " << bus.folder() << "/ssh.arguments\n"
                     << "exec systemd-stdio-bridge --bus-path='" << bus.address() << "'\n";
  cr_assert_eq(chmod(ssh.c_str(), 0700), 0);
  const char* const path = std::getenv("PATH");
  cr_assert_eq(setenv("PATH", (bus.folder() + ":" + (path == nullptr ? "" : path)).c_str(), 1), 0);
}

}  // namespace

Test(session, another_machine_over_ssh) {
  if (access("/usr/bin/systemd-stdio-bridge", X_OK) != 0) cr_skip_test("systemd-stdio-bridge is not here");
  World world(With::node);
  put_ssh_in_path(world.daemon);
  const Outcome status = world.run({"--host", "operator@north:2222", "--json", "node", "status"});
  cr_assert_eq(status.exit_code, 0, "%s", status.err.c_str());
  cr_assert_eq(status.json()["state"], "active");
  const std::string asked = whole_file(world.daemon.folder() + "/ssh.arguments");
  cr_assert(asked.contains("2222") && asked.contains("operator@north"), "%s", asked.c_str());
  const Outcome absent = world.run({"--host", "operator@north", "nmm", "status"});
  cr_assert_eq(absent.exit_code, 3);
  cr_assert(absent.err.contains("org.akm.Nmm1 is not on operator@north"), "%s", absent.err.c_str());
}

Test(session, a_host_that_is_an_option_and_a_host_with_an_address) {
  World world(With::node);
  cr_assert_eq(world.run({"--host", "-oProxyCommand=id", "node", "status"}).exit_code, 2);
  cr_assert_eq(world.run({"--host", "north", "--bus", "session", "node", "status"}).exit_code, 2);
}

Test(session, address_and_environment) {
  World world(With::node);
  cr_assert_eq(world.run({"--address", world.daemon.address(), "node", "status"}).exit_code, 0);
  cr_assert_eq(setenv("AKM_BUS_ADDRESS", "unix:path=/nonexistent", 1), 0);
  cr_assert_eq(world.run({"node", "status"}).exit_code, 0, "an option is stronger");
  put_ssh_in_path(world.daemon);
  const Outcome remote = world.run({"--host", "north", "node", "status"});
  cr_assert(remote.exit_code == 0 || access("/usr/bin/systemd-stdio-bridge", X_OK) != 0, "%s",
            remote.err.c_str());
}
