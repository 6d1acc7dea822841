#include "daemon/watch/interfaces.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <sched.h>

#include "tests/support/run_program.h"
#include "tests/unit/watch/aside.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Aside;
using akm::test::Heard;
using akm::test::looked;
using akm::test::run_program;

Test(interfaces, promiscuous_mode_is_told_and_its_end_is) {
  if (::unshare(CLONE_NEWNET) != 0) cr_skip_test("needs root for a network of its own");
  if (run_program({"ip", "link", "add", "t0", "type", "veth", "peer", "name", "t1"}).exit_code != 0)
    cr_skip_test("no veth interfaces");
  Aside aside;
  Interfaces watch(aside.run());
  Heard heard;
  cr_assert_eq(looked(heard, watch, aside), 0);
  cr_assert_eq(run_program({"ip", "link", "set", "t0", "promisc", "on"}).exit_code, 0);
  pollfd ready{watch.fd(), POLLIN, 0};
  cr_assert_eq(::poll(&ready, 1, 1000), 1);
  cr_assert(watch.nudged());
  cr_assert_eq(looked(heard, watch, aside), 1);
  cr_assert_eq(heard.last_class(), policy::DetectionClass::packet_capture);
  cr_assert_eq(heard.last_grade(), policy::Grade::evidence);
  cr_assert_eq(heard.last("what"), "interface t0");
  cr_assert_eq(run_program({"ip", "link", "set", "t0", "promisc", "off"}).exit_code, 0);
  cr_assert_eq(looked(heard, watch, aside), 1);
  cr_assert_eq(heard.last_grade(), policy::Grade::observe);
}

Test(interfaces, that_come_and_go_and_ports_of_bridges_are_not) {
  if (::unshare(CLONE_NEWNET) != 0) cr_skip_test("needs root for a network of its own");
  Aside aside;
  Interfaces watch(aside.run());
  Heard heard;
  (void)looked(heard, watch, aside);
  if (run_program({"ip", "link", "add", "t0", "type", "veth", "peer", "name", "t1"}).exit_code != 0 ||
      run_program({"ip", "link", "add", "b0", "type", "bridge"}).exit_code != 0)
    cr_skip_test("no veth interfaces or bridges");
  cr_assert_eq(looked(heard, watch, aside), 0);
  cr_assert_eq(run_program({"ip", "link", "set", "t0", "master", "b0"}).exit_code, 0);
  cr_assert_eq(looked(heard, watch, aside), 0);
  cr_assert_eq(run_program({"ip", "link", "del", "t0"}).exit_code, 0);
  cr_assert_eq(looked(heard, watch, aside), 0);
}
