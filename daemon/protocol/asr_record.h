#pragma once
// The durable form of a relationship: what PersistAsr stores and RestoreAsr takes. CBOR in deterministic
// encoding; the store seals it, so that what is decoded is what was encoded, or nothing.
#include <optional>

#include "daemon/protocol/generation.h"

namespace akm::protocol {

struct RestoredAsr {
  RelationshipState state;
  std::optional<Endpoint> peer_endpoint;  // where the other member of a provisioning ASR was last
};

/// Current and installed generation with all chains, candidates and known incarnations; the executed request
/// ids. The generation in grace and old session secrets are not in it: they end with the process.
[[nodiscard]] SecretBuffer encode_record(const RelationshipState& state,
                                         const std::optional<Endpoint>& peer_endpoint);
/// state_corrupt for anything that encode_record does not write, but unknown keys of policy and ASR, which
/// are skipped.
Result<RestoredAsr> decode_record(const SecretBuffer& record, Instant now);

}  // namespace akm::protocol
