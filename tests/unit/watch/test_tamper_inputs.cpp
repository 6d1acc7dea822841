#include "daemon/watch/tamper_inputs.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Heard;

Test(tamper_inputs, the_chassis_and_a_configured_line) {
  const test::TemporaryFolder sys;
  sys.write("class/hwmon/hwmon0/intrusion0_alarm", "0\n");
  sys.write("class/hwmon/hwmon0/fan1_input", "900\n");
  const std::string line = sys.write("gpio/value", "1\n");
  TamperInputs watch({line, "/dev/input/none"}, sys.path());
  Heard heard;
  cr_assert_eq(heard.look(watch), 0);
  sys.write("class/hwmon/hwmon0/fan1_input", "1200\n");
  cr_assert_eq(heard.look(watch), 0);
  sys.write("class/hwmon/hwmon0/intrusion0_alarm", "1\n");
  sys.write("gpio/value", "0\n");
  cr_assert_eq(heard.look(watch), 2);
  for (const auto& one : heard.all) {
    cr_assert_eq(one.detection, policy::DetectionClass::tamper_input);
    cr_assert_eq(policy::grade(one), policy::Grade::evidence);
  }
  cr_assert_eq(heard.look(watch), 0);
  sys.write("gpio/value", "1\n");
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last_grade(), policy::Grade::observe);
}

Test(tamper_inputs, an_alarm_that_stood_at_the_start_is_told) {
  const test::TemporaryFolder sys;
  sys.write("class/hwmon/hwmon3/intrusion1_alarm", "1\n");
  TamperInputs watch({}, sys.path());
  Heard heard;
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.look(watch), 0);
}
