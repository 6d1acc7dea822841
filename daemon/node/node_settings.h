#pragma once
// akmd's configuration: what both daemons have, and hardware identity, probes, responses, activation.
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/node/consumer_access.h"
#include "daemon/policy/node_policy.h"
#include "daemon/protocol/detection_policy.h"
#include "daemon/protocol/machine_evidence.h"
#include "daemon/sentry/probe_settings.h"
#include "daemon/service/gate_settings.h"
#include "daemon/service/settings.h"
#include "daemon/watch/watch_settings.h"
#include "keyring/hardware_identity.h"

namespace akm::node {

inline constexpr std::string_view kProgram = "akmd";
inline constexpr std::string_view kDefaultConfigPath = "/etc/akm/akmd.toml";
inline constexpr std::uint16_t kDefaultPort = 7400;

/// The data service (docs/data-service.md).
struct DataSettings {
  std::string folder = "/run/akm/asr";  // empty: no data service
  std::vector<std::string> users = {"root"};
  std::vector<std::string> groups = {"akm"};
  std::size_t clients = 16;  // of one ASR
  std::size_t reader_queue_bytes = std::size_t{1} << 20;
};

struct NodeSettings {
  service::Settings common;
  keyring::HardwareOptions hardware;
  sentry::ProbeSettings probes;
  service::GateSettings gate;
  std::string policy_file;
  policy::NodePolicy responses = policy::default_node_policy();  // of that file
  protocol::DetectionPolicy policy_words;                        // the same as it stands there
  bool erase_on_another_machine = true;
  protocol::MissingSource missing_source = protocol::MissingSource::part;
  bool activate_automatically = true;
  DataSettings data;
  std::vector<ConsumerRule> consumers;
  bool drives_watch = true;              // bundles on drives that are plugged in are offered
  std::vector<std::string> drives_also;  // devices that count as removable
  watch::WatchSettings watch;
};

service::Schema node_schema();
/// config_invalid naming file and line.
Result<NodeSettings> node_settings(const service::Config& config);
Status check_node_settings(const service::Config& config);

}  // namespace akm::node
