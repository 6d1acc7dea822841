#pragma once
// What an engine can be told. A closed set: a new kind of input is a new alternative here.
#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/instant.h"
#include "daemon/protocol/asr.h"
#include "daemon/protocol/control_method.h"

namespace akm::protocol {

/// A datagram arrived. The bytes are borrowed for the step and may be decrypted in place.
struct FrameReceived {
  std::span<std::uint8_t> datagram;
  Endpoint from;
};

/// next_deadline() has passed.
struct DeadlineReached {};

/// At start: a record that PersistAsr produced earlier.
struct RestoreAsr {
  SecretBuffer record;
};

/// A whole relationship for this member (install, provisioning). A newer generation is kept beside the
/// current one until SwitchGeneration or the first frame that opens under it; with `immediate` it is switched
/// to and generations up to `retire` are erased in the same step. An older or equal generation is refused
/// with stale_generation.
struct InstallAsr {
  Asr asr;
  std::uint16_t own_index = 0;
  bool immediate = false;
  std::uint32_t retire = 0;
};

struct SwitchGeneration {
  AsrId asr_id = 0;
  std::uint32_t generation = 0;
};

/// Another policy for an operational relationship, from now on, in the generations that are held. What is
/// under way keeps its timers; a rekey becomes due no later than before. invalid_argument by check_policy,
/// refused_by_policy for a provisioning one, whose policy comes with its credentials.
struct SetPolicy {
  AsrId asr_id = 0;
  Policy policy;
};

/// Erase the relationship everywhere: memory, keyring, disk.
struct RetireAsr {
  AsrId asr_id = 0;
};

/// Start an establishment on the normal chain, if none is under way.
struct RequestRekey {
  AsrId asr_id = 0;
};

/// Erase all operational relationships (quarantine, or the answer to a critical detection); the provisioning
/// one stays.
struct EraseOperational {};

/// Send a control request to the other member of a provisioning ASR; its outcome is a ResponseReceived or
/// RequestTimedOut report with the same cookie.
struct SendRequest {
  AsrId asr_id = 0;
  Method method{};
  std::vector<std::uint8_t> body;  // bounded by kRequestBodyBytes; bodies with secrets use SecretBuffer below
  SecretBuffer secret_body;        // used instead of `body` when not empty (install)
  std::uint64_t cookie = 0;
  Duration deadline{};  // 0: the policy's control_deadline_s
};

/// Answer a RequestReceived report.
struct SendResponse {
  AsrId asr_id = 0;
  std::uint32_t request_id = 0;
  Method method{};
  ControlStatus status = ControlStatus::ok;
  std::vector<std::uint8_t> body;
};

/// Send a datagram to one other member of an operational ASR, or to all (kEveryone). The bytes are borrowed
/// for the step. Refused: too_large above kDataBytes, not_found for no other member of the roster, exhausted.
struct SendData {
  AsrId asr_id = 0;
  std::uint16_t to = 0;
  std::span<const std::uint8_t> payload;
};

/// A PersistAsr effect failed; the effects after it in its list were not carried out.
struct StoreFailed {
  AsrId asr_id = 0;
};

/// Where the other member of a provisioning ASR is, when the operator or a store knows it (NMM).
struct SetPeerEndpoint {
  AsrId asr_id = 0;
  Endpoint endpoint;
};

using Event = std::variant<FrameReceived, DeadlineReached, RestoreAsr, InstallAsr, SwitchGeneration,
                           SetPolicy, RetireAsr, RequestRekey, EraseOperational, SendRequest, SendResponse,
                           SendData, StoreFailed, SetPeerEndpoint>;

}  // namespace akm::protocol
