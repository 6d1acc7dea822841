#include "tools/akmctl/installed.h"

#include <criterion/criterion.h>

#include "tests/unit/akmctl/machine_root.h"

using namespace akm;
using namespace akm::ctl;
using akm::dbus::Service;
using akm::test::MachineRoot;

Test(installed, programs_and_their_settings) {
  const MachineRoot root;
  cr_assert(program_path(root.machine, Service::nmm).empty());
  root.write("/usr/local/sbin/akm-nmmd", "");
  cr_assert_eq(program_path(root.machine, Service::nmm), root.folder.path() + "/usr/local/sbin/akm-nmmd");
  cr_assert_eq(config_path(Service::nmm), "/etc/akm/akm-nmmd.toml");
  cr_assert_not(settings_of(root.machine, Service::nmm).has_value());
  root.write("/etc/akm/akm-nmmd.toml", "[sealing]\ntcti = \"swtpm:path=/a\"\nnv_index = 1\n");
  root.write("/etc/akm/akm-nmmd.toml.d/a.toml", "[sealing]\nmode = \"tpm\"\n");
  const auto settings = settings_of(root.machine, Service::nmm);
  cr_assert_eq(text_in(*settings, "sealing.tcti", "x"), "swtpm:path=/a");
  cr_assert_eq(text_in(*settings, "sealing.mode", "x"), "tpm");
  cr_assert_eq(text_in(*settings, "sealing.nv_index", "x"), "x", "no text");
  cr_assert_eq(text_in(*settings, "sealing.token", "x"), "x");
}
