#pragma once
// The part of the configuration that akmd and akm-nmmd share, as types.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/log.h"
#include "daemon/io/loop.h"
#include "daemon/service/config.h"

namespace akm::service {

enum class SealingChoice : std::uint8_t { automatic, tpm, software, token };

struct Settings {
  std::string state_folder;
  SealingChoice sealing = SealingChoice::automatic;
  bool allow_software = true;       // automatic may fall back to sealing in software
  std::string tcti;                 // "" is the kernel's resource manager, device:/dev/tpmrm0
  std::vector<std::uint32_t> pcrs;  // that the storage key is to be sealed to (reseal); none by default
  std::string policy_key;           // PEM file of who may sign further values of them; "" nobody
  std::uint32_t nv_index = 0;       // of the start counter: one for each daemon that shares a TPM
  std::string token_uri;            // RFC 7512: the token that seals
  std::string pin_file;             // its PIN; "" is the systemd credential token-pin
  std::string pkcs11_module;        // path; "" is what is registered with p11-kit
  std::string keyring_name;
  Endpoint listen;
  io::BackendChoice io_backend = io::BackendChoice::automatic;
  std::string bus_address;  // dbus::Bus::Options
  std::string bus_group;    // may call methods where there is no polkit
  bool use_polkit = true;
  log::Options log;
  std::size_t event_history = 256;
  std::size_t audit_file_bytes = std::size_t{1} << 20;
  std::size_t audit_files = 8;
  std::uint32_t audit_seal_s = 60;
  int realtime_priority = 0;  // run_before_others()
};

/// `program` is "akmd" or "akm-nmmd": it gives paths and names their defaults. `port` is the default UDP
/// port.
Schema common_schema(std::string_view program, std::uint16_t port, std::uint32_t nv_index);
/// config_invalid where a text does not parse (address, log level), naming file and line.
Result<Settings> common_settings(const Config& config, std::string_view program);

/// network.advertise of those whom nodes or NMMs call: at most 4; where it is not set, the listen address, if
/// it names one. config_invalid.
Result<std::vector<std::string>> advertised_endpoints(const Config& config, const Settings& common);

}  // namespace akm::service
