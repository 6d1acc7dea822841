#include "keyring/hardware_identity.h"

#include <criterion/criterion.h>

#include "daemon/base/atomic_file.h"
#include "tests/support/swtpm_fixture.h"
#include "tests/support/temporary_folder.h"

using akm::Errc;
using akm::keyring::all_hardware_sources;
using akm::keyring::collect_hardware_sources;
using akm::keyring::HardwareOptions;
using akm::keyring::HardwareSource;
using akm::keyring::HardwareSources;
using akm::keyring::is_meaningful_hardware_value;
using akm::test::TemporaryFolder;

namespace {

// A machine as sysfs shows it.
struct Machine {
  void put(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = std::filesystem::path(root.path()) / path;
    std::filesystem::create_directories(file.parent_path());
    cr_assert(akm::write_file_atomically(
        file.string(), {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, 0600));
  }
  [[nodiscard]] HardwareOptions options() const {
    HardwareOptions made;
    made.sysfs_root = root.path();
    made.tcti = "device:/nonexistent/tpm";
    return made;
  }
  [[nodiscard]] HardwareSources sources() const {
    const auto found = collect_hardware_sources(options());
    cr_assert(found, "%s", found.error().message().c_str());
    return *found;
  }
  TemporaryFolder root;
};

}  // namespace

Test(hardware_identity, collects_in_the_order_of_the_protocol) {
  const Machine machine;
  machine.put("block/vda/serial", " S111630029\n");
  machine.put("class/net/eth0/address", "E8:FD:4A:81:13:85\n");
  machine.put("class/net/eth0/ifindex", "2\n");
  machine.put("class/dmi/id/board_serial", "PF-123\n");
  machine.put("class/dmi/id/product_uuid", "5626D65E-84DC-9BD1-B1D7-E23C429484A2\n");
  const HardwareSources expected{{"dmi-product-uuid", "5626d65e84dc9bd1b1d7e23c429484a2"},
                                 {"dmi-board-serial", "PF-123"},
                                 {"nic-permanent-mac", "e8:fd:4a:81:13:85"},
                                 {"root-disk-serial", "S111630029"}};
  cr_assert(machine.sources() == expected);
}

Test(hardware_identity, only_the_chosen_sources_count) {
  const Machine machine;
  machine.put("class/dmi/id/board_serial", "PF-123\n");
  machine.put("class/dmi/id/product_uuid", "5626d65e-84dc-9bd1-b1d7-e23c429484a2\n");
  auto options = machine.options();
  options.sources = {HardwareSource::dmi_board_serial, HardwareSource::dmi_board_serial};
  cr_assert(*collect_hardware_sources(options) == HardwareSources({{"dmi-board-serial", "PF-123"}}));
  options.sources = {HardwareSource::root_disk_serial};
  cr_assert(collect_hardware_sources(options).error().code == Errc::no_hardware_source);
  options.sources = {};
  cr_assert(collect_hardware_sources(options).error().code == Errc::no_hardware_source);
}

Test(hardware_identity, the_lowest_interface_with_an_address_counts) {
  const Machine machine;
  machine.put("class/net/lo/address", "00:00:00:00:00:00\n");
  machine.put("class/net/lo/ifindex", "1\n");
  machine.put("class/net/aaa/address", "02:00:00:00:00:0a\n");
  machine.put("class/net/aaa/ifindex", "10\n");
  machine.put("class/net/zzz/address", "02:00:00:00:00:02\n");
  machine.put("class/net/zzz/ifindex", "9\n");
  machine.put("class/net/dummy/address", "00:00:00:00:00:00\n");
  machine.put("class/net/dummy/ifindex", "2\n");
  machine.put("class/net/ones/address", "ff:ff:ff:ff:ff:ff\n");
  machine.put("class/net/ones/ifindex", "3\n");
  machine.put("class/net/tunnel/address", "0.0.0.0\n");
  machine.put("class/net/tunnel/ifindex", "4\n");
  cr_assert(machine.sources() == HardwareSources({{"nic-permanent-mac", "02:00:00:00:00:02"}}));
  auto options = machine.options();
  options.interface = "aaa";
  cr_assert(*collect_hardware_sources(options) ==
            HardwareSources({{"nic-permanent-mac", "02:00:00:00:00:0a"}}));
  options.interface = "missing";
  cr_assert(!collect_hardware_sources(options));
}

Test(hardware_identity, junk_is_left_out) {
  const Machine machine;
  machine.put("class/dmi/id/board_serial", "To be filled by O.E.M.\n");
  machine.put("class/dmi/id/product_uuid", "00000000-0000-0000-0000-000000000000\n");
  machine.put("block/sda/device/serial", "Default string\n");
  machine.put("block/sdb/device/vpd_pg80", std::string("\0\x80\0\x08  WD-4711", 13));
  cr_assert(machine.sources() == HardwareSources({{"root-disk-serial", "WD-4711"}}));
  machine.put("class/dmi/id/product_uuid", "not a uuid\n");
  cr_assert_eq(machine.sources().size(), 1);
}

Test(hardware_identity, meaningful_values) {
  for (const char* value : {"PF-123", "7", "S111630029", "e8:fd:4a:81:13:85", "x-1"}) {
    cr_assert(is_meaningful_hardware_value(value), "%s", value);
  }
  for (const char* value :
       {"", " ", "0", "000000", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "FFFFFFFF", "xxxx", "...",
        "Default string", "DEFAULT STRING", "To Be Filled By O.E.M.", "Not Specified", "None", "N/A",
        "03000200040005000006000700080009", "a\x01z", "gr\xfcn"}) {
    cr_assert(!is_meaningful_hardware_value(value), "%s", value);
  }
  cr_assert(!is_meaningful_hardware_value(std::string(129, '7') + "8"));
}

Test(hardware_identity, names_are_those_of_the_protocol) {
  std::string all;
  for (const HardwareSource source : all_hardware_sources()) {
    all.append(akm::keyring::hardware_source_name(source)).append(" ");
    cr_assert(*akm::keyring::parse_hardware_source(akm::keyring::hardware_source_name(source)) == source);
  }
  cr_assert_eq(all, "tpm-ek-name dmi-product-uuid dmi-board-serial nic-permanent-mac root-disk-serial ");
  cr_assert(!akm::keyring::parse_hardware_source("tpm"));
}

Test(hardware_identity, the_tpm_comes_first_and_has_to_answer_when_configured) {
  if (!akm::test::have_swtpm()) cr_skip("%s", akm::test::kNoSwtpm);
  akm::test::SwTpm tpm;
  const Machine machine;
  machine.put("class/dmi/id/board_serial", "PF-123\n");
  auto options = machine.options();
  options.tcti = tpm.tcti();
  const auto found = collect_hardware_sources(options);
  cr_assert(found, "%s", found.error().message().c_str());
  cr_assert_eq(found->size(), 2);
  cr_assert_eq(found->front().first, "tpm-ek-name");
  cr_assert_eq(found->front().second.size(), 68);
  cr_assert(*collect_hardware_sources(options) == *found);
  tpm.stop();
  cr_assert(collect_hardware_sources(options).error().code == Errc::tpm_failed);
}

// This machine, whatever it is: an answer or a plain error, and the same twice.
Test(hardware_identity, this_machine_answers_the_same_twice) {
  HardwareOptions options;
  options.sources = {HardwareSource::dmi_product_uuid, HardwareSource::dmi_board_serial,
                     HardwareSource::nic_permanent_mac, HardwareSource::root_disk_serial};
  const auto first = collect_hardware_sources(options);
  const auto second = collect_hardware_sources(options);
  cr_assert_eq(first.has_value(), second.has_value());
  if (!first)
    cr_assert(first.error().code == Errc::no_hardware_source, "%s", first.error().message().c_str());
  if (first) cr_assert(*first == *second);
}
