#pragma once
// Engine views as snapshots for D-Bus: everything but secrets.
#include <cstdint>
#include <map>
#include <string>

#include "daemon/base/control_types.h"
#include "daemon/protocol/engine.h"
#include "keyring/key_store.h"

namespace akm::service {

/// `keys` may be null. Where there is a key, key_check is computed from the secret read back from the kernel
/// keyring, so that what is shown is what consumers get; empty where it cannot be read.
AsrSnapshot asr_snapshot(const protocol::AsrView& view, Instant now, keyring::KeyStore* keys);
/// Static part of a relationship (an NMM's own records).
AsrSnapshot asr_snapshot(const protocol::AsrDescription& description);
std::string kind_name(protocol::Kind kind);
std::string chain_name(protocol::Chain chain);
/// "frames_received", ..., "refused_not_authentic": names as in status counters.
std::map<std::string, std::uint64_t> counter_map(const protocol::Counters& counters);

}  // namespace akm::service
