#include "daemon/watch/usb_devices.h"

#include <criterion/criterion.h>

#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Heard;

namespace {

DeviceEvent event(const std::string& action, const std::string& interface) {
  return {.action = action,
          .subsystem = "usb",
          .type = "usb_interface",
          .path = "/devices/usb1/1-1/1-1:1.0",
          .interface = interface,
          .product = "781/5567/100"};
}

}  // namespace

Test(usb_devices, storage_and_input_are_told_and_their_end_is) {
  for (const char* interface : {"8/6/80", "3/1/1"}) {
    UsbDevices watch(nullptr, {});
    Heard heard;
    watch.take(event("add", interface));
    watch.take(event("add", interface));
    cr_assert_eq(heard.look(watch), 1, "the same device once");
    cr_assert_eq(heard.last_class(), policy::DetectionClass::usb_insertion);
    cr_assert_eq(heard.last_grade(), policy::Grade::evidence);
    cr_assert(heard.last("what").ends_with("781/5567/100"));
    watch.take(event("remove", interface));
    cr_assert_eq(heard.look(watch), 1);
    cr_assert_eq(heard.last_grade(), policy::Grade::observe);
  }
}

Test(usb_devices, others_are_not) {
  UsbDevices watch(nullptr, {});
  Heard heard;
  watch.take(event("add", "9/0/0"));
  watch.take(event("add", ""));
  watch.take(event("bind", "8/6/80"));
  watch.take(event("remove", "8/6/80"));
  cr_assert_eq(heard.look(watch), 0);
}

Test(usb_devices, a_drive_is_expected_while_the_machine_is_provisioned) {
  bool provisioning = true;
  UsbDevices watch(nullptr, [&provisioning] { return provisioning; });
  Heard heard;
  watch.take(event("add", "8/6/80"));
  (void)heard.look(watch);
  cr_assert_eq(heard.last_grade(), policy::Grade::observe);
  cr_assert_not(heard.last("expected").empty());
}
