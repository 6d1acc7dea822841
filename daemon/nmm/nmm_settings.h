#pragma once
// What only an NMM is configured with.
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/policy/adjudication.h"
#include "daemon/policy/node_policy.h"
#include "daemon/protocol/asr.h"
#include "daemon/protocol/bundle.h"
#include "daemon/sentry/probe_settings.h"
#include "daemon/service/config.h"
#include "daemon/service/direct_settings.h"
#include "daemon/service/gate_settings.h"
#include "daemon/service/settings.h"
#include "daemon/watch/watch_settings.h"
#include "keyring/hardware_identity.h"

namespace akm::nmm {

inline constexpr std::uint16_t kDefaultPort = 7401;  // akmd on the same machine has 7400
inline constexpr std::uint32_t kDefaultNvIndex = 0x01800a11;

/// Kinds of machines, and the states before and after their updates.
inline constexpr std::size_t kGoldenPcrs = 64;

struct NmmSettings {
  std::string name = "nmm";            // for people; goes into bundles
  std::vector<std::string> endpoints;  // where nodes reach this NMM; goes into bundles
  protocol::Policy policy;             // of new relationships, where the caller says nothing else
  std::string pkcs11_module;           // as in service::Settings
  std::uint64_t bundle_expiry_s = 7 * 86400;
  bool bind_at_activation = true;                  // nodes may be prepared without their hardware value
  bool ek_certificate_required = false;            // of a node that is prepared by the identity of its TPM
  std::string tpm_roots = "/etc/akm/tpm-roots.d";  // *.pem: vendors of TPMs that are trusted
  bool ek_certificate_in_time = false;             // by the wall clock of the NMM's machine
  std::vector<protocol::Digest32> golden_pcrs;     // of the fleet; empty: a node's first quote counts
  std::uint32_t missed_heartbeats = 3;             // then a node is silent
  service::DirectSettings direct;
  service::GateSettings gate;
  keyring::HardwareOptions hardware;     // of the NMM's own machine
  policy::AdjudicationPolicy recovery;   // never_evict is resolved from the names below at each decision
  std::vector<std::string> never_evict;  // node names
  watch::WatchSettings watch;            // of the NMM's own machine
  sentry::ProbeSettings probes;
  protocol::ScryptCost scrypt = {};                              // of backups; a test may take less
  policy::NodePolicy responses = policy::default_node_policy();  // to what is detected on it
};

/// Everything that may stand in akm-nmmd's configuration file.
service::Schema nmm_schema();
/// config_invalid naming file and line.
Result<NmmSettings> nmm_settings(const service::Config& config, const service::Settings& common);

}  // namespace akm::nmm
