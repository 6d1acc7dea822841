#pragma once
// What identifies this machine (protocol section 7). Only collected here; protocol's hardware_value() hashes
// it.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/result.h"

namespace akm::keyring {

/// In the order of section 7, which is the order of the hash.
enum class HardwareSource : std::uint8_t {
  tpm_ek_name,
  dmi_product_uuid,
  dmi_board_serial,
  nic_permanent_mac,
  root_disk_serial,
};
inline constexpr std::size_t kHardwareSourceCount = 5;
/// "tpm-ek-name", ...
std::string_view hardware_source_name(HardwareSource source);
Result<HardwareSource> parse_hardware_source(std::string_view name);
std::vector<HardwareSource> all_hardware_sources();

/// Longest value kept, bytes.
inline constexpr std::size_t kHardwareValueMaxBytes = 128;

struct HardwareOptions {
  /// Which count (policy). Order and repetition do not matter.
  std::vector<HardwareSource> sources = all_hardware_sources();
  /// TCTI string; empty is kDefaultTcti. Where its device is missing, tpm-ek-name is left out. A TPM that is
  /// there or configured and does not answer makes the collection fail: a value that comes and goes would
  /// bind to nothing.
  std::string tcti;
  /// Configuration `hardware_sources_root`, for many nodes on one machine (demo, tests): where other than
  /// /sys the folders class/dmi/id, class/net and block are. In another root the permanent MAC is
  /// class/net/IF/address.
  std::string sysfs_root = "/sys";
  /// Network interface whose MAC counts; empty: the lowest index with a permanent MAC.
  std::string interface;
};

/// Name and value, both text.
using HardwareSources = std::vector<std::pair<std::string, std::string>>;

/// The sources that are there, in the order of section 7. Values: EK name as lower-case hex; UUID as 32
/// lower-case hex digits; MAC as "aa:bb:cc:dd:ee:ff"; serials as they are, trimmed. Placeholders of lazy
/// vendors are left out. no_hardware_source when none is there; tpm_failed.
Result<HardwareSources> collect_hardware_sources(const HardwareOptions& options);

/// False for empty, all zeros, all f, "To be filled by O.E.M." and the like. For tests.
bool is_meaningful_hardware_value(std::string_view value);

}  // namespace akm::keyring
