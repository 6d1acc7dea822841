#pragma once
// Bodies of control messages (section 6). Each has encode() and decode(); unknown keys are skipped, a missing
// one is malformed. Decoders take untrusted bytes and never throw.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/secret.h"
#include "daemon/protocol/asr.h"
#include "daemon/protocol/machine_evidence.h"

namespace akm::protocol {

using Body = std::vector<std::uint8_t>;
using BodyView = std::span<const std::uint8_t>;

inline constexpr std::size_t kVersionTextBytes = 64;
inline constexpr std::size_t kQuoteBytes = 4096;
inline constexpr std::size_t kHeartbeatAsrs = 256;
inline constexpr std::size_t kEvidenceTextBytes =
    256;  // longer texts of a report are cut by the one who fills it in
inline constexpr std::size_t kEvidencePairs = 32;

struct ActivateRequest {
  Digest32 hardware_value{};
  std::string version;
  std::optional<Body> quote;
  std::optional<Body> signature;
  std::optional<Body> attestation_key;
  std::optional<MachineEvidence> machine;
  bool rehome = false;  // a part was replaced: the NMM's operator is asked, nothing is activated by this
  [[nodiscard]] Body encode() const;
  static Result<ActivateRequest> decode(BodyView body);
  bool operator==(const ActivateRequest&) const = default;
};

struct ActivateResponse {
  std::string nmm;
  Policy policy;
  [[nodiscard]] Body encode() const;
  static Result<ActivateResponse> decode(BodyView body);
  bool operator==(const ActivateResponse&) const = default;
};

struct HeartbeatAsr {
  AsrId asr_id = 0;
  std::uint32_t generation = 0;
  std::uint32_t epoch = 0;
  std::uint8_t phase = 0;  // engine.h Phase
  bool operator==(const HeartbeatAsr&) const = default;
};
struct Heartbeat {
  std::vector<HeartbeatAsr> asrs;
  std::string tier;  // of the probes
  std::uint64_t dropped = 0;
  std::map<std::string, std::uint64_t> refused;  // by refusal_name
  std::uint64_t uptime_s = 0;
  std::uint32_t maintenance_s = 0;   // a window opened at the node itself is open for so long; 0: none
  std::string maintenance_why = {};  // of that window
  [[nodiscard]] Body encode() const;
  static Result<Heartbeat> decode(BodyView body);
  bool operator==(const Heartbeat&) const = default;
};

struct InstallRequest {
  Asr asr;
  std::uint16_t index = 0;  // the receiver's own
  bool immediate = false;
  std::uint32_t retire = 0;
  /// too_large above kRequestBodyBytes: about 1,400 members with short names and one endpoint each.
  [[nodiscard]] Result<SecretBuffer> encode() const;
  static Result<InstallRequest> decode(BodyView body);
};

/// Also the body of resync.
struct SwitchRequest {
  AsrId asr_id = 0;
  std::uint32_t generation = 0;
  [[nodiscard]] Body encode() const;
  static Result<SwitchRequest> decode(BodyView body);
  bool operator==(const SwitchRequest&) const = default;
};
using ResyncRequest = SwitchRequest;

struct RetireRequest {
  AsrId asr_id = 0;
  [[nodiscard]] Body encode() const;
  static Result<RetireRequest> decode(BodyView body);
  bool operator==(const RetireRequest&) const = default;
};

struct BreachReport {
  std::string detection;      // "class" on the wire: policy::detection_name
  std::uint8_t severity = 0;  // syslog, 0 to 7
  std::uint64_t boottime_ns = 0;
  std::map<std::string, std::string> subject;
  std::map<std::string, std::string> evidence;
  [[nodiscard]] Body encode() const;
  static Result<BreachReport> decode(BodyView body);
  bool operator==(const BreachReport&) const = default;
};
struct BreachDecision {
  std::string decision;
  std::vector<AsrId> asrs;
  [[nodiscard]] Body encode() const;
  static Result<BreachDecision> decode(BodyView body);
  bool operator==(const BreachDecision&) const = default;
};

struct ZeroizeResponse {
  std::string receipt;  // zeroize_receipt.h; empty of a node that has none
  [[nodiscard]] Body encode() const;
  static Result<ZeroizeResponse> decode(BodyView body);
  bool operator==(const ZeroizeResponse&) const = default;
};

struct PolicyUpdate {
  AsrId asr_id = 0;  // 0: the node's own
  Policy policy;
  [[nodiscard]] Body encode() const;
  static Result<PolicyUpdate> decode(BodyView body);
  bool operator==(const PolicyUpdate&) const = default;
};

struct AttestRequest {
  Body nonce;                      // 16 to 64 bytes
  std::vector<std::uint8_t> pcrs;  // 0 to 23
  [[nodiscard]] Body encode() const;
  static Result<AttestRequest> decode(BodyView body);
  bool operator==(const AttestRequest&) const = default;
};
struct AttestResponse {
  Body quote;
  Body signature;
  Digest32 log{};           // SHA-256 of the firmware's event log; zeros where there is none
  std::optional<Body> key;  // "ak": the attestation key
  [[nodiscard]] Body encode() const;
  static Result<AttestResponse> decode(BodyView body);
  bool operator==(const AttestResponse&) const = default;
};

/// The body of rotate-provisioning, quarantine, zeroize and of every answer that names nothing: {}.
[[nodiscard]] Body empty_body();
/// An empty map or one of unknown keys; no bytes at all count as one too.
Status decode_empty_body(BodyView body);

}  // namespace akm::protocol
