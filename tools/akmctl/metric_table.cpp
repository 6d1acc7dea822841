#include "tools/akmctl/metric_table.h"

#include <array>
#include <vector>

namespace akm::ctl {
namespace {

using enum MetricKind;
constexpr std::uint8_t kNode = 1;
constexpr std::uint8_t kNmm = 2;
constexpr std::uint8_t kRoot = 4;
constexpr std::uint8_t kAsr = 8;
constexpr std::uint8_t kWatching = kNode | kNmm;
constexpr std::uint8_t kEach = kNode | kNmm | kRoot;

constexpr auto kOfAll = std::to_array<Metric>({
    {"", info, kEach, "", "version, name, state", "Which daemon this is, and its state"},
    {"hardware_protected", gauge, kEach, "", "", "1: the storage key is sealed by a TPM or a token"},
    {"findings", gauge, kEach, "", "", "What is degraded or doubtful, as akmctl status lists it"},
    {"nodes", gauge, kNmm, "", "state", "Nodes in each state"},
    {"nmms", gauge, kRoot, "", "state", "NMMs in each state"},
    {"generation", gauge, kAsr, "", "asr, label", "Generation that this node holds of the relationship"},
    {"epoch", gauge, kAsr, "", "asr, label", "Epoch of its session key"},
    {"frames_received", counter, kEach, "frames_received", "", "Datagrams that came to the protocol's port"},
    {"frames_accepted", counter, kEach, "frames_accepted", "", "Those that were authentic and fresh"},
    {"frames_sent", counter, kEach, "frames_sent", "", "Datagrams sent"},
    {"refused", counter, kEach, "refused_", "reason", "Datagrams refused"},
    {"sessions_committed", counter, kEach, "sessions_committed", "", "Session keys agreed on"},
    {"attempts_started", counter, kEach, "attempts_started", "", "Attempts to agree on a session key"},
    {"attempts_failed", counter, kEach, "attempts_failed", "", "Those that came to nothing"},
    {"requests_executed", counter, kEach, "requests_executed", "",
     "Requests of the control channel carried out"},
    {"requests_repeated", counter, kEach, "requests_repeated", "",
     "Requests that came again and were answered from memory"},
    {"data_sent", counter, kEach, "data_sent", "", "Datagrams of local programs sent under a session key"},
    {"data_received", counter, kEach, "data_received", "", "Datagrams of members that were authentic"},
    {"store_failures", counter, kEach, "store_failures", "", "Records that could not be written to the disk"},
    {"events_dropped", counter, kEach, "events_dropped", "", "Events for which the queue had no room"},
    {"key_failures", counter, kNode, "key_failures", "", "Keys that the kernel keyring did not take"},
    {"keys_revoked", counter, kNode, "keys_revoked", "", "Keys revoked because of a breach"},
    {"keys_exported", counter, kNode, "keys_exported", "", "Keys given to consumers"},
    {"key_exports_refused", counter, kNode, "key_exports_refused", "", "Keys refused to callers"},
    {"resyncs_asked", counter, kNode, "resyncs_asked", "",
     "How often the NMM was asked for help, the chains being used up"},
    {"events_refused", counter, kNode, "events_refused", "", "Events that the protocol's engine refused"},
    {"commands_received", counter, kNode, "commands_received", "", "Commands of the NMM"},
    {"quotes_made", counter, kNode, "quotes_made", "", "Quotes of the TPM made for the NMM"},
    {"hooks_run", counter, kNode, "hooks_run", "", "Hooks of the policy that ended well"},
    {"hooks_failed", counter, kNode, "hooks_failed", "", "Hooks of the policy that failed"},
    {"data_clients", gauge, kNode, "data_clients", "", "Programs connected to the data service"},
    {"data_clients_refused", counter, kNode, "data_clients_refused", "", "Programs that it refused"},
    {"data_refused_malformed", counter, kNode, "data_refused_malformed", "",
     "Datagrams of programs that were none"},
    {"data_refused_unsendable", counter, kNode, "data_refused_unsendable", "",
     "Datagrams of programs that could not be sent"},
    {"data_dropped_no_reader", counter, kNode, "data_dropped_no_reader", "",
     "Received datagrams that no program waited for"},
    {"data_dropped_slow_reader", counter, kNode, "data_dropped_slow_reader", "",
     "Received datagrams that a program was too slow for"},
    {"nodes_known", gauge, kNmm, "nodes", "", "Nodes that the NMM knows"},
    {"relationships", gauge, kNmm, "relationships", "", "Operational relationships that the NMM manages"},
    {"root_pending", gauge, kNmm, "root_pending", "", "Reports that the Root has not taken yet"},
    {"nmms_known", gauge, kRoot, "nmms", "", "NMMs that the Root knows"},
});

/// Of the sensor and the gate.
constexpr auto kOfWatching = std::to_array<Metric>({
    {"detections", counter, kWatching, "detections_", "grade", "Detections on this machine"},
    {"frames_forged", counter, kWatching, "frames_forged", "", "Datagrams that somebody forged"},
    {"frames_late", counter, kWatching, "frames_late", "",
     "Datagrams of generations and epochs that are over"},
    {"gate_known_ids", gauge, kWatching, "gate_known_ids", "", "Relationships that the gate lets through"},
    {"gate_interfaces", gauge, kWatching, "gate_interfaces", "", "Network interfaces that have the gate"},
    {"gate_hooks_gone", counter, kWatching, "gate_hooks_gone", "",
     "Interfaces whose gate somebody took away"},
    {"gate_passed", counter, kWatching, "gate_passed_", "reason", "Datagrams that the gate let through"},
    {"gate_dropped", counter, kWatching, "gate_dropped_", "reason", "Datagrams that the gate dropped"},
    {"probe_links", gauge, kWatching, "probe_links", "", "Attached programs of the sensor"},
    {"probe_heartbeats", counter, kWatching, "probe_heartbeats", "",
     "Signs of life from the daemon to the sensor"},
    {"probe_guard_failures", counter, kWatching, "probe_guard_failures", "",
     "Keys or paths that the sensor could not be told of"},
    {"probe_records", counter, kWatching, "probe_records", "",
     "Records that the daemon read from the sensor"},
    {"probe_records_garbled", counter, kWatching, "probe_records_garbled", "", "Records that made no sense"},
    {"probe_records_of_ours", counter, kWatching, "probe_records_of_ours", "",
     "Records of what our own daemons did"},
    {"probe_made", counter, kWatching, "probe_made", "", "Records that the sensor made"},
    {"probe_unwatched", counter, kWatching, "probe_unwatched", "", "Records made while no daemon read them"},
    {"probe_lost_fanotify", counter, kWatching, "probe_lost_fanotify", "", "Overflows of the fanotify queue"},
    {"probe_lost_ring_full", counter, kWatching, "probe_lost_ring_full", "",
     "Records lost: the ring buffer was full"},
    {"probe_lost_limited", counter, kWatching, "probe_lost_limited", "",
     "Records lost: one process or user made too many"},
    {"probe_lost_critical_limited", counter, kWatching, "probe_lost_critical_limited", "",
     "The same of critical ones"},
    {"probe_lost_refused", counter, kWatching, "probe_lost_refused", "",
     "Records lost of calls that were refused, too many to tell"},
    {"probe_lost_pending_full", counter, kWatching, "probe_lost_pending_full", "",
     "Calls whose outcome is not known: too many at once"},
    {"probe_lost_no_path", counter, kWatching, "probe_lost_no_path", "",
     "Records without a path, which could not be read"},
    {"probe_lost_pids_full", counter, kWatching, "probe_lost_pids_full", "",
     "More threads than can be registered"},
    {"probe_watch_made", counter, kWatching, "probe_made_", "watch", "Records made, by what is watched"},
    {"probe_watch_lost", counter, kWatching, "probe_lost_", "watch", "Records lost, by what is watched"},
});

}  // namespace

std::string_view kind_name(MetricKind kind) {
  switch (kind) {
    case counter:
      return "counter";
    case gauge:
      return "gauge";
    case info:
      return "info";
  }
  return {};
}

std::span<const Metric> metric_table() {
  static const std::vector<Metric> all = [] {
    std::vector<Metric> out(kOfAll.begin(), kOfAll.end());
    out.insert(out.end(), kOfWatching.begin(), kOfWatching.end());
    return out;
  }();
  return all;
}

std::string full_name(Subject subject, std::string_view family) {
  std::string out = "akm_";
  switch (subject) {
    case Subject::node:
      out += "node";
      break;
    case Subject::nmm:
      out += "nmm";
      break;
    case Subject::root:
      out += "root";
      break;
    case Subject::asr:
      out += "asr";
      break;
  }
  if (!family.empty()) out.append("_").append(family);
  return out;
}

}  // namespace akm::ctl
