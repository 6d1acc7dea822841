#include "daemon/nmm/nmm_settings.h"

#include <algorithm>

#include "daemon/base/hex.h"
#include "daemon/service/hardware_settings.h"
#include "daemon/service/policy_file.h"
#include "daemon/service/policy_text.h"
#include "daemon/service/recovery_text.h"

namespace akm::nmm {
namespace {

using service::Setting;
using Texts = std::vector<std::string>;

constexpr std::int64_t kYear = 366LL * 86400;

service::Schema own_schema() {
  return {
      {"nmm.name", std::string("nmm"), "Name of this NMM, for people.", 0, 0, {}},
      {"network.advertise",
       Texts{},
       "Where nodes reach this NMM, \"address:port\", at most 4; written into bundles. Not set: the listen "
       "address.",
       0,
       0,
       {}},
      {"nmm.bundle_expiry_s",
       std::int64_t{7 * 86400},
       "A bundle that was not activated for so long is refused. Counted while the NMM's machine runs.",
       60,
       kYear,
       {}},
      {"nmm.bind_at_activation",
       true,
       "Nodes may be prepared without their hardware value, and are bound to it when they activate.",
       0,
       0,
       {}},
      {"nmm.missed_heartbeats", std::int64_t{3}, "So many heartbeats missed make a node silent.", 1, 100, {}},
  };
}

service::Schema tpm_schema() {
  return {
      {"nmm.ek_certificate",
       std::string("none"),
       "Whether a node that is prepared by its TPM's identity needs a certificate of its endorsement key by "
       "a "
       "trusted vendor.",
       0,
       0,
       {"none", "required"}},
      {"nmm.tpm_roots",
       std::string("/etc/akm/tpm-roots.d"),
       "Folder of the certificates (*.pem) of TPM vendors that are trusted, of those between, and of their "
       "revocation lists (*.crl).",
       0,
       0,
       {}},
      {"nmm.ek_certificate_times",
       std::string("told"),
       "What it means that a certificate is out of its time by the wall clock of the NMM's machine, which "
       "nothing proves: it is told, or the certificate does not count.",
       0,
       0,
       {"told", "required"}},
      {"nmm.golden_pcrs",
       Texts{},
       "PCR digests (64 hex digits) of the fleet: a node's quote has to show one of them. Empty: a node's "
       "first quote counts. akmctl nmm attest --golden goes before it, for one node.",
       0,
       0,
       {}},
  };
}

Result<std::vector<protocol::Digest32>> golden_from(const service::Config& config) {
  std::vector<protocol::Digest32> out;
  for (const std::string& text : config.list("nmm.golden_pcrs")) {
    const auto bytes = parse_hex(text);
    if (out.size() == kGoldenPcrs || !bytes || bytes->size() != sizeof(protocol::Digest32)) {
      return std::unexpected(config.invalid(
          "nmm.golden_pcrs", "at most " + std::to_string(kGoldenPcrs) + ", 64 hex digits each"));
    }
    std::ranges::copy(*bytes, out.emplace_back().begin());
  }
  return out;
}

}  // namespace

service::Schema nmm_schema() {
  service::Schema schema = service::common_schema("akm-nmmd", kDefaultPort, kDefaultNvIndex);
  for (Setting& setting : own_schema()) schema.push_back(std::move(setting));
  for (Setting& setting : service::recovery_schema()) schema.push_back(std::move(setting));
  for (Setting& setting : tpm_schema()) schema.push_back(std::move(setting));
  service::add_direct_settings(schema);
  service::add_hardware_settings(schema);
  watch::add_watch_settings(schema);
  sentry::add_probe_settings(schema, "akm-nmmd");
  schema.push_back(
      {"policy.file",
       std::string(service::kDefaultPolicyPath),
       "What follows a detection on the NMM's own machine (akm-policy(5)); where there is no such file "
       "the defaults hold.",
       0,
       0,
       {}});
  service::add_gate_settings(schema, protocol::limits::kRelationships);
  for (Setting& setting : service::policy_schema()) schema.push_back(std::move(setting));
  return schema;
}

Result<NmmSettings> nmm_settings(const service::Config& config, const service::Settings& common) {
  NmmSettings out;
  out.name = config.text("nmm.name");
  if (out.name.empty() || out.name.size() > protocol::limits::kNameBytes) {
    return std::unexpected(config.invalid("nmm.name", "1 to 64 bytes"));
  }
  AKM_ASSIGN(out.endpoints, service::advertised_endpoints(config, common));
  out.pkcs11_module = common.pkcs11_module;
  out.policy = service::policy_from(config);
  out.bundle_expiry_s = static_cast<std::uint64_t>(config.integer("nmm.bundle_expiry_s"));
  out.bind_at_activation = config.boolean("nmm.bind_at_activation");
  out.ek_certificate_required = config.text("nmm.ek_certificate") == "required";
  out.tpm_roots = config.text("nmm.tpm_roots");
  if (!out.tpm_roots.starts_with('/'))
    return std::unexpected(config.invalid("nmm.tpm_roots", "must be an absolute path"));
  out.ek_certificate_in_time = config.text("nmm.ek_certificate_times") == "required";
  AKM_ASSIGN(out.golden_pcrs, golden_from(config));
  out.missed_heartbeats = static_cast<std::uint32_t>(config.integer("nmm.missed_heartbeats"));
  out.gate = service::gate_settings(config);
  out.never_evict = service::never_evict_names(config);
  AKM_ASSIGN(out.direct, service::direct_settings(config));
  AKM_ASSIGN(out.hardware, service::hardware_settings(config, common));
  AKM_ASSIGN(out.recovery, service::recovery_from(config));
  AKM_ASSIGN(out.watch, watch::watch_settings(config));
  AKM_ASSIGN(out.probes, sentry::probe_settings(config));
  const std::string& policy_file = config.text("policy.file");
  if (!policy_file.starts_with('/'))
    return std::unexpected(config.invalid("policy.file", "must be an absolute path"));
  AKM_ASSIGN(const service::Config policy_text, service::load_policy_file(policy_file));
  AKM_ASSIGN(out.responses, service::node_policy(policy_text));
  return out;
}

}  // namespace akm::nmm
