#pragma once
// What an engine can ask for. The shell carries effects out in order; when a PersistAsr fails, it drops the
// rest of the list and tells the engine StoreFailed.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/instant.h"
#include "daemon/protocol/asr.h"
#include "daemon/protocol/control_method.h"

namespace akm::protocol {

struct SendFrame {
  Endpoint to;
  std::vector<std::uint8_t> bytes;  // ciphertext: no secret
};

/// As SendFrame, for data: one sealed frame may go to many members. The bytes are the engine's, lent until
/// its next step.
struct SendDatagram {
  Endpoint to;
  std::span<const std::uint8_t> bytes;
};

/// Make this record of the ASR durable before any later effect of the list. One file per ASR.
struct PersistAsr {
  AsrId asr_id = 0;
  SecretBuffer record;
};

/// Remove the ASR's record from the disk. Its keys are revoked by their own effects, which come first.
struct ForgetAsr {
  AsrId asr_id = 0;
};

enum class KeySlot : std::uint8_t { current, candidate };

/// Put a session secret into the kernel keyring, replacing what the slot holds.
struct InstallKey {
  AsrId asr_id = 0;
  std::uint32_t generation = 0;
  Chain chain = Chain::normal;
  std::uint32_t epoch = 0;
  KeySlot slot = KeySlot::current;
  SecretBuffer session_secret;
  std::uint32_t timeout_s = 0;  // a little over the rekey interval: a dead daemon leaves no live keys
};

struct RevokeKey {
  AsrId asr_id = 0;
  KeySlot slot = KeySlot::current;
};

// Reports: what the role (node, NMM) is told. They change nothing in the engine.

struct SessionCommitted {
  AsrId asr_id = 0;
  std::uint32_t generation = 0;
  Chain chain = Chain::normal;  // on which the members agreed
  std::uint32_t epoch = 0;      // of the normal chain, which a commit on another re-roots
  KeyCheckValue check{};
  Duration took{};  // from the first SEI to the commit; 0 for the step at install
};

/// A generation became the current one.
struct GenerationSwitched {
  AsrId asr_id = 0;
  std::uint32_t generation = 0;
  KeyCheckValue check{};
};

struct AsrRetired {
  AsrId asr_id = 0;
};

struct AttemptFailed {
  AsrId asr_id = 0;
  std::uint32_t target = 0;
  std::uint32_t failures = 0;             // in a row
  std::vector<std::uint16_t> waited_for;  // indexes not heard in the phase
};

/// No chain has led the members together, or the failsafe chain has been used: only the NMM's next generation
/// helps, or brings another failsafe chain.
struct ChainsExhausted {
  AsrId asr_id = 0;
  std::uint32_t generation = 0;
};

/// An authenticated contradiction: somebody holds our keys twice, or an old copy runs (section 4).
enum class Contradiction : std::uint8_t { cloned_identity, stale_incarnation };
struct ContradictionSeen {
  Contradiction what{};
  AsrId asr_id = 0;
  std::uint16_t member = 0;  // in the roster of the frame's generation, which need not be the current one
  NodeId node_id = 0;
  Endpoint from = {};                     // where this frame came from
  std::optional<Endpoint> expected = {};  // where the other of the two is, as far as we know
};

/// A datagram of another member. The bytes are the engine's, lent until its next step.
struct DataReceived {
  AsrId asr_id = 0;
  std::uint16_t from = 0;  // index in the roster of the current generation
  std::span<const std::uint8_t> payload;
};

/// A control request to be carried out. It is not repeated by the engine; answer with SendResponse. One-way
/// messages have `expects_response` false.
struct RequestReceived {
  AsrId asr_id = 0;
  std::uint32_t request_id = 0;
  Method method{};
  bool expects_response = true;
  SecretBuffer body;  // may hold credentials (install)
  Endpoint from;
  bool overtaken = false;  // a later one of the same sender was taken before it
};

struct ResponseReceived {
  AsrId asr_id = 0;
  std::uint64_t cookie = 0;
  Method method{};
  ControlStatus status{};
  std::vector<std::uint8_t> body;
};

struct RequestTimedOut {
  AsrId asr_id = 0;
  std::uint64_t cookie = 0;
  Method method{};
};

/// An event was refused: install of a stale generation, unknown ASR, limits. `event` is the alternative's
/// name.
struct EventRefused {
  AsrId asr_id = 0;
  std::string event;
  Error error;
};

using Effect =
    std::variant<SendFrame, SendDatagram, PersistAsr, ForgetAsr, InstallKey, RevokeKey, SessionCommitted,
                 GenerationSwitched, AsrRetired, AttemptFailed, ChainsExhausted, ContradictionSeen,
                 DataReceived, RequestReceived, ResponseReceived, RequestTimedOut, EventRefused>;
using EffectList = std::vector<Effect>;

}  // namespace akm::protocol
