#include "daemon/root/root_settings.h"

#include "daemon/protocol/limits.h"
#include "daemon/service/policy_text.h"

namespace akm::root {
namespace {

constexpr std::int64_t kYear = 366LL * 86400;

service::Schema own_schema() {
  return {
      {"root.name", std::string("root"), "Name of this Root, for people.", 0, 0, {}},
      {"root.bundle_expiry_s",
       std::int64_t{7 * 86400},
       "A bundle of an NMM that was not activated for so long is refused. Counted while the Root's machine "
       "runs.",
       60,
       kYear,
       {}},
      {"root.ek_certificate",
       std::string("none"),
       "Whether an NMM that is prepared by its TPM's identity needs a certificate of its endorsement key by "
       "a trusted vendor.",
       0,
       0,
       {"none", "required"}},
      {"root.tpm_roots",
       std::string("/etc/akm/tpm-roots.d"),
       "Folder of the certificates (*.pem) of TPM vendors that are trusted, of those between, and of their "
       "revocation lists (*.crl).",
       0,
       0,
       {}},
      {"root.ek_certificate_times",
       std::string("told"),
       "What it means that a certificate is out of its time by the wall clock of the Root's machine, which "
       "nothing proves: it is told, or the certificate does not count.",
       0,
       0,
       {"told", "required"}},
      {"network.advertise",
       std::vector<std::string>{},
       "Where NMMs reach this Root, \"address:port\", at most 4; written into bundles. Not set: the listen "
       "address.",
       0,
       0,
       {}},
      {"database.kind",
       std::string("sqlite"),
       "sqlite: a file of this machine. postgresql: a server, for fleets beyond one machine.",
       0,
       0,
       {"sqlite", "postgresql"}},
      {"database.path",
       std::string(),
       "SQLite: the file, made with mode 0600. Not set: root.db in the folder of the sealed state.",
       0,
       0,
       {}},
      {"database.conninfo",
       std::string(),
       "PostgreSQL: connection string of libpq, such as \"host=db.example dbname=akm user=akm "
       "sslmode=verify-full "
       "passfile=/etc/akm/pgpass\". It is never shown; a password is better in a passfile.",
       0,
       0,
       {}},
      {"database.statement_timeout_ms",
       std::int64_t{10'000},
       "PostgreSQL: a statement that takes longer is given up.",
       100,
       600'000,
       {}},
  };
}

}  // namespace

service::Schema root_schema() {
  service::Schema schema = service::common_schema("akm-rootd", kDefaultPort, kDefaultNvIndex);
  for (service::Setting& setting : own_schema()) schema.push_back(std::move(setting));
  service::add_direct_settings(schema);
  for (service::Setting& setting : service::policy_schema()) schema.push_back(std::move(setting));
  return schema;
}

Result<RootSettings> root_settings(const service::Config& config, const service::Settings& common) {
  RootSettings out;
  out.name = config.text("root.name");
  if (out.name.empty() || out.name.size() > protocol::limits::kNameBytes) {
    return std::unexpected(config.invalid("root.name", "1 to 64 bytes"));
  }
  AKM_ASSIGN(out.endpoints, service::advertised_endpoints(config, common));
  out.policy = service::policy_from(config);
  AKM_ASSIGN(out.direct, service::direct_settings(config));
  out.pkcs11_module = common.pkcs11_module;
  out.ek_certificate_required = config.text("root.ek_certificate") == "required";
  out.ek_certificate_in_time = config.text("root.ek_certificate_times") == "required";
  out.tpm_roots = config.text("root.tpm_roots");
  if (!out.tpm_roots.starts_with('/'))
    return std::unexpected(config.invalid("root.tpm_roots", "must be an absolute path"));
  out.bundle_expiry_s = static_cast<std::uint64_t>(config.integer("root.bundle_expiry_s"));
  if (config.text("database.kind") == "postgresql") out.database = DatabaseChoice::postgresql;
  out.database_path = config.text("database.path");
  if (out.database_path.empty()) out.database_path = common.state_folder + "/root.db";
  if (!out.database_path.starts_with('/')) {
    return std::unexpected(config.invalid("database.path", "must be an absolute path"));
  }
  out.database_conninfo = config.text("database.conninfo");
  if (out.database == DatabaseChoice::postgresql && out.database_conninfo.empty()) {
    return std::unexpected(config.invalid("database.conninfo", "must say where the server is"));
  }
  out.statement_timeout_ms = static_cast<std::uint32_t>(config.integer("database.statement_timeout_ms"));
  return out;
}

}  // namespace akm::root
