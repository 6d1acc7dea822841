#include "daemon/watch/network_counters.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Heard;

namespace {

std::string table(int resets, int no_ports) {
  return "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: RtoAlgorithm OutRsts\nTcp: 1 " + std::to_string(resets) +
         "\nUdp: InDatagrams NoPorts\nUdp: 5 " + std::to_string(no_ports) + "\n";
}

}  // namespace

Test(network_counters, a_counter_by_name) {
  cr_assert_eq(*snmp_counter(table(7, 9), "Tcp", "OutRsts"), 7);
  cr_assert_eq(*snmp_counter(table(7, 9), "Udp", "NoPorts"), 9);
  cr_assert_not(snmp_counter(table(7, 9), "Udp", "Nothing").has_value());
  cr_assert_not(snmp_counter("Tcp: OutRsts", "Tcp", "OutRsts").has_value());
  cr_assert_not(snmp_counter("Tcp: OutRsts\nTcp: x\n", "Tcp", "OutRsts").has_value());
}

Test(network_counters, many_refusals_are_a_scan_until_they_end) {
  const test::TemporaryFolder folder;
  NetworkCounters watch(100, folder.write("snmp", table(1000, 1000)));
  Heard heard;
  cr_assert_eq(heard.look(watch, 60), 0, "what was before is not known");
  folder.write("snmp", table(1010, 1010));
  cr_assert_eq(heard.look(watch, 120), 0, "some are normal");
  folder.write("snmp", table(5010, 4010));
  cr_assert_eq(heard.look(watch, 180), 1);
  cr_assert_eq(heard.last_class(), policy::DetectionClass::network_scan);
  cr_assert_eq(heard.last_grade(), policy::Grade::observe);
  cr_assert_eq(heard.last("after"), "116");
  folder.write("snmp", table(25010, 4010));
  cr_assert_eq(heard.look(watch, 240), 0, "told once");
  cr_assert_eq(heard.look(watch, 300), 1);
  cr_assert_eq(heard.last("change"), "back");
}
