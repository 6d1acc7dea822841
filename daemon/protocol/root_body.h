#pragma once
// Bodies of the control messages between Root and NMM (section 7, "The Root"). As in control_body.h: unknown
// keys are skipped, a missing one is malformed; decoders take untrusted bytes and never throw.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/protocol/asr.h"
#include "daemon/protocol/control_body.h"
#include "daemon/protocol/provisioning.h"
#include "daemon/protocol/reported_record.h"

namespace akm::protocol {

/// Provisioning root secrets that one NMM holds at a time: the newest, and those that nodes still hang on.
inline constexpr std::size_t kRootSecrets = 4;
inline constexpr std::size_t kReportedNodes = 1024;
inline constexpr std::size_t kReportedAsrs = 256;
inline constexpr std::size_t kReportedGone = 1024;
inline constexpr std::size_t kReportedIncidents = 256;
inline constexpr std::size_t kFactNameBytes = 64;
inline constexpr std::size_t kFactPairs = 16;
inline constexpr std::size_t kFactTextBytes = 256;
/// Bytes of entries in one report, and in one answer to records; a single larger one goes alone.
inline constexpr std::size_t kReportBytes = std::size_t{56} * 1024;

struct NumberedSecret {
  std::uint32_t number = 0;  // from 1; the highest is the one for new credentials
  ProvisioningRoot secret;
};

/// Root to NMM: what its nodes' credentials are derived from.
struct IssueRequest {
  NodeId nmm_id = 0;
  bool restore = false;                 // it takes a lost NMM's place: it asks for that one's records
  std::vector<NumberedSecret> secrets;  // by rising number, 1 to kRootSecrets
  std::uint64_t reported = 0;           // the highest change that the Root has: the NMM counts on from here
  std::uint32_t incarnation = 0;        // the NMM's own is to be at least this
  [[nodiscard]] SecretBuffer encode() const;
  static Result<IssueRequest> decode(BodyView body);
};

/// NMM to Root: an NMM that stood alone hands its secrets up.
struct AdoptRequest {
  NodeId nmm_id = 0;
  std::vector<NumberedSecret> secrets;
  [[nodiscard]] SecretBuffer encode() const;
  static Result<AdoptRequest> decode(BodyView body);
};

/// Root to NMM: another machine has its place.
struct FenceRequest {
  std::uint32_t serial = 0;  // of the one that replaces it
  [[nodiscard]] Body encode() const;
  static Result<FenceRequest> decode(BodyView body);
  bool operator==(const FenceRequest&) const = default;
};

struct ReportedIncident {
  std::uint64_t change = 0;
  std::string name;           // of the event
  std::uint8_t severity = 6;  // syslog
  NodeId node_id = 0;         // 0: none
  AsrId asr_id = 0;
  std::map<std::string, std::string> facts;
  bool operator==(const ReportedIncident&) const = default;
};
void write_reported(CborWriter& writer, const ReportedIncident& incident);
ReportedIncident read_reported_incident(CborReader& reader);

/// NMM to Root: what has changed since the change that it has acknowledged, each thing in its newest state.
/// Without any entry it says that the NMM lives.
struct ReportRequest {
  std::uint64_t last = 0;         // the NMM's newest change
  std::uint64_t upto = 0;         // with this report the Root has everything up to here
  std::uint64_t lost = 0;         // incidents that did not fit into the NMM's memory
  std::set<std::uint32_t> roots;  // numbers of the secrets that it holds
  std::vector<ReportedNode> nodes;
  std::vector<ReportedAsr> asrs;
  std::vector<std::pair<std::uint64_t, AsrId>> gone;  // change and id of relationships that are no more
  std::vector<ReportedIncident> incidents;
  [[nodiscard]] Body encode() const;
  static Result<ReportRequest> decode(BodyView body);
  bool operator==(const ReportRequest&) const = default;
};
struct ReportResponse {
  std::uint64_t acked = 0;
  [[nodiscard]] Body encode() const;
  static Result<ReportResponse> decode(BodyView body);
  bool operator==(const ReportResponse&) const = default;
};

/// NMM to Root: a replacement asks for the records of the one before it, page after page.
enum class RecordsKind : std::uint8_t { nodes = 0, asrs = 1 };
struct RecordsRequest {
  RecordsKind kind = RecordsKind::nodes;
  std::uint64_t after = 0;  // ids above
  [[nodiscard]] Body encode() const;
  static Result<RecordsRequest> decode(BodyView body);
  bool operator==(const RecordsRequest&) const = default;
};
struct RecordsResponse {
  std::vector<ReportedNode> nodes;
  std::vector<ReportedAsr> asrs;
  bool more = false;
  [[nodiscard]] Body encode() const;
  static Result<RecordsResponse> decode(BodyView body);
  bool operator==(const RecordsResponse&) const = default;
};

}  // namespace akm::protocol
