#pragma once
// What only a Root is configured with.
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/protocol/asr.h"
#include "daemon/service/config.h"
#include "daemon/service/direct_settings.h"
#include "daemon/service/settings.h"

namespace akm::root {

inline constexpr std::uint16_t kDefaultPort = 7402;
inline constexpr std::uint32_t kDefaultNvIndex = 0x01800a12;

enum class DatabaseChoice : std::uint8_t { sqlite, postgresql };

struct RootSettings {
  std::string name = "root";           // for people; goes into bundles
  std::vector<std::string> endpoints;  // where NMMs reach this Root; goes into bundles
  protocol::Policy policy;  // of relationships, where no record of the configuration says otherwise
  std::uint64_t bundle_expiry_s = 7 * 86400;
  service::DirectSettings direct;
  std::string pkcs11_module;                       // as in service::Settings
  bool ek_certificate_required = false;            // of an NMM that is prepared by the identity of its TPM
  bool ek_certificate_in_time = false;             // by the wall clock of the Root's machine
  std::string tpm_roots = "/etc/akm/tpm-roots.d";  // *.pem: vendors of TPMs that are trusted
  DatabaseChoice database = DatabaseChoice::sqlite;
  std::string database_path;      // SQLite
  std::string database_conninfo;  // PostgreSQL; may hold a password: it is never shown
  std::uint32_t statement_timeout_ms = 10'000;
};

/// Everything that may stand in akm-rootd's configuration file.
service::Schema root_schema();
/// config_invalid naming file and line.
Result<RootSettings> root_settings(const service::Config& config, const service::Settings& common);

}  // namespace akm::root
