#include "keyring/hardware_identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>

#include "daemon/base/hex.h"
#include "daemon/base/unique_fd.h"
#include "keyring/endorsement_key.h"
#include "keyring/permanent_address.h"
#include "keyring/sealer.h"
#include "keyring/tpm_attestor.h"

namespace akm::keyring {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSysfs = "/sys";
constexpr std::array<std::string_view, kHardwareSourceCount> kNames = {
    "tpm-ek-name", "dmi-product-uuid", "dmi-board-serial", "nic-permanent-mac", "root-disk-serial"};
constexpr std::size_t kInterfacesMax = 4096;
constexpr std::size_t kMacBytes = 6;
constexpr std::size_t kUuidDigits = 32;
// A disk under device mapper under device mapper ...: no sane machine stacks more.
constexpr int kDiskLayersMax = 8;

// What vendors leave in the tables when nobody filled them in; compared in lower case.
constexpr std::string_view kPlaceholders[] = {
    "default string", "to be filled by o.e.m.", "to be filled by oem", "to be filled", "not specified",
    "not applicable", "not available", "not present", "none", "n/a", "na", "unknown", "invalid", "empty",
    "oem", "o.e.m.", "serial number", "system serial number", "base board serial number",
    "chassis serial number", "type2 - board serial number", "board serial number", "0123456789", "123456789",
    "1234567890", "0123456789abcdef", "0x00000000",
    // Products shipped with this UUID in thousands.
    "03000200040005000006000700080009", "fefefefefefefefefefefefefefefefe"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank(" \t\r\n\0", 5);
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Contents of a small sysfs file; nothing when it is not there. Being refused is an error: a value that
// depends on who asks would bind to nothing.
Result<std::optional<std::string>> read_attribute(const fs::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return std::optional<std::string>();
  if (!fd) return fail_errno(Errc::no_hardware_source, "read " + path.string());
  std::array<char, 512> buffer;
  const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
  // Drivers answer so for an attribute that this device does not have.
  if (got < 0) return std::optional<std::string>();
  return std::optional(std::string(buffer.data(), static_cast<std::size_t>(got)));
}

// The value as it is kept, or nothing when it says nothing.
std::optional<std::string> accepted(std::string_view value) {
  value = trimmed(value);
  if (!is_meaningful_hardware_value(value)) return std::nullopt;
  return std::string(value);
}

using Value = Result<std::optional<std::string>>;

Value tpm_ek_name(const HardwareOptions& options) {
  // With a device, or with a TPM that somebody configured, it has to answer.
  if (!tpm_is_expected(options.tcti)) return std::optional<std::string>();
  AKM_ASSIGN(const std::unique_ptr<TpmContext> tpm,
             TpmContext::open(options.tcti.empty() ? kDefaultTcti : options.tcti));
  AKM_ASSIGN(std::string name, endorsement_key_name(*tpm));
  return std::optional(std::move(name));
}

Value dmi_product_uuid(const HardwareOptions& options) {
  AKM_ASSIGN(const auto text, read_attribute(fs::path(options.sysfs_root) / "class/dmi/id/product_uuid"));
  if (!text) return std::optional<std::string>();
  // Kernels and firmware differ in case; the digits do not.
  std::string digits = lower(trimmed(*text));
  std::erase(digits, '-');
  if (digits.size() != kUuidDigits || !parse_hex(digits)) return std::optional<std::string>();
  return accepted(digits);
}

Value dmi_board_serial(const HardwareOptions& options) {
  AKM_ASSIGN(const auto text, read_attribute(fs::path(options.sysfs_root) / "class/dmi/id/board_serial"));
  return text ? accepted(*text) : std::nullopt;
}

Value permanent_mac_of(const std::string& interface) {
  AKM_ASSIGN(const auto address, permanent_address(interface));
  if (!address || address->size() != kMacBytes) return std::optional<std::string>();
  std::string text;
  for (std::size_t i = 0; i < kMacBytes; ++i) {
    text.append(i == 0 ? "" : ":").append(hex(std::span(*address).subspan(i, 1)));
  }
  return accepted(text);
}

// In another root than /sys there is no device to ask.
Value mac_of(const HardwareOptions& options, const std::string& interface) {
  if (options.sysfs_root == kSysfs) return permanent_mac_of(interface);
  AKM_ASSIGN(const auto text,
             read_attribute(fs::path(options.sysfs_root) / "class/net" / interface / "address"));
  if (!text) return std::optional<std::string>();
  const std::string address = lower(trimmed(*text));
  if (address.size() != kMacBytes * 3 - 1) return std::optional<std::string>();
  return accepted(address);
}

// Interfaces by rising index; those without an index last.
Result<std::vector<std::string>> interfaces(const HardwareOptions& options) {
  if (!options.interface.empty()) return std::vector{options.interface};
  std::vector<std::pair<std::uint64_t, std::string>> found;
  std::error_code error;
  for (fs::directory_iterator entry(fs::path(options.sysfs_root) / "class/net", error), end;
       !error && entry != end && found.size() < kInterfacesMax; entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (name == "lo") continue;
    AKM_ASSIGN(const auto text, read_attribute(entry->path() / "ifindex"));
    std::uint64_t index = UINT64_MAX;
    const std::string_view digits = text ? trimmed(*text) : std::string_view();
    (void)std::from_chars(digits.data(), digits.data() + digits.size(), index);
    found.emplace_back(index, std::move(name));
  }
  std::ranges::sort(found);
  std::vector<std::string> names;
  names.reserve(found.size());
  for (auto& [index, name] : found) names.push_back(std::move(name));
  return names;
}

Value nic_permanent_mac(const HardwareOptions& options) {
  AKM_ASSIGN(const std::vector<std::string> names, interfaces(options));
  for (const std::string& name : names) {
    AKM_ASSIGN(auto mac, mac_of(options, name));
    if (mac) return mac;
  }
  return std::optional<std::string>();
}

Value serial_of_disk(const fs::path& disk) {
  for (const char* attribute : {"serial", "device/serial"}) {
    AKM_ASSIGN(const auto text, read_attribute(disk / attribute));
    if (auto value = text ? accepted(*text) : std::nullopt) return value;
  }
  // SCSI, vital product data page 0x80 (SPC-4, 7.8.15): four octets of header, then the number.
  AKM_ASSIGN(const auto page, read_attribute(disk / "device/vpd_pg80"));
  if (page && page->size() > 4) return accepted(std::string_view(*page).substr(4));
  return std::optional<std::string>();
}

// The whole disk under the root file system: from a partition to its disk, through device mapper to the first
// below.
std::optional<fs::path> root_disk() {
  struct stat status{};
  if (::stat("/", &status) != 0 || major(status.st_dev) == 0) return std::nullopt;
  std::error_code error;
  fs::path device =
      fs::canonical(fs::path(kSysfs) / "dev/block" /
                        (std::to_string(major(status.st_dev)) + ":" + std::to_string(minor(status.st_dev))),
                    error);
  for (int layer = 0; !error && layer < kDiskLayersMax; ++layer) {
    if (fs::exists(device / "partition", error)) {
      device = device.parent_path();
      continue;
    }
    std::vector<fs::path> below;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(device / "slaves", none)) below.push_back(entry.path());
    if (below.empty()) return device;
    device = fs::canonical(*std::ranges::min_element(below), error);
  }
  return std::nullopt;
}

Value root_disk_serial(const HardwareOptions& options) {
  if (options.sysfs_root == kSysfs) {
    const auto disk = root_disk();
    return disk ? serial_of_disk(*disk) : Value(std::optional<std::string>());
  }
  // Another root has no root file system: the first disk by name stands for it.
  std::vector<fs::path> disks;
  std::error_code error;
  for (fs::directory_iterator entry(fs::path(options.sysfs_root) / "block", error), end;
       !error && entry != end; entry.increment(error)) {
    disks.push_back(entry->path());
  }
  std::ranges::sort(disks);
  for (const fs::path& disk : disks) {
    AKM_ASSIGN(auto serial, serial_of_disk(disk));
    if (serial) return serial;
  }
  return std::optional<std::string>();
}

Value read_source(HardwareSource source, const HardwareOptions& options) {
  switch (source) {
    case HardwareSource::tpm_ek_name:
      return tpm_ek_name(options);
    case HardwareSource::dmi_product_uuid:
      return dmi_product_uuid(options);
    case HardwareSource::dmi_board_serial:
      return dmi_board_serial(options);
    case HardwareSource::nic_permanent_mac:
      return nic_permanent_mac(options);
    case HardwareSource::root_disk_serial:
      return root_disk_serial(options);
  }
  return std::optional<std::string>();
}

}  // namespace

std::string_view hardware_source_name(HardwareSource source) {
  return kNames[static_cast<std::size_t>(source)];
}

Result<HardwareSource> parse_hardware_source(std::string_view name) {
  for (const HardwareSource source : all_hardware_sources()) {
    if (hardware_source_name(source) == name) return source;
  }
  return fail(Errc::invalid_argument, "no hardware source of this name");
}

std::vector<HardwareSource> all_hardware_sources() {
  return {HardwareSource::tpm_ek_name, HardwareSource::dmi_product_uuid, HardwareSource::dmi_board_serial,
          HardwareSource::nic_permanent_mac, HardwareSource::root_disk_serial};
}

bool is_meaningful_hardware_value(std::string_view value) {
  value = trimmed(value);
  if (value.empty() || value.size() > kHardwareValueMaxBytes) return false;
  if (std::ranges::any_of(value, [](char c) { return c < ' ' || c > '~'; })) return false;
  const std::string text = lower(value);
  if (std::ranges::find(kPlaceholders, std::string_view(text)) != std::end(kPlaceholders)) return false;
  std::string digits = text;
  std::erase_if(digits, [](char c) { return c == '-' || c == ':' || c == ' ' || c == '.'; });
  // "0000", "ffff", "xxxx", "...", "----": one character all along.
  return !digits.empty() && (digits.find_first_not_of(digits.front()) != std::string::npos ||
                             (digits.size() == 1 && digits != "0" && digits != "x" && digits != "f"));
}

Result<HardwareSources> collect_hardware_sources(const HardwareOptions& options) {
  HardwareSources found;
  for (const HardwareSource source : all_hardware_sources()) {
    if (std::ranges::find(options.sources, source) == options.sources.end()) continue;
    AKM_ASSIGN(auto value, read_source(source, options));
    if (value) found.emplace_back(hardware_source_name(source), std::move(*value));
  }
  if (found.empty()) return fail(Errc::no_hardware_source, "none of those in the configuration");
  return found;
}

}  // namespace akm::keyring
