#pragma once
// Way (c) of section 7 over a connection that passes no descriptors: the bundle is sealed to a key that the
// node made for it, and an operator compares the key's fingerprint on both sides.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/crypto/x25519.h"
#include "daemon/protocol/bundle.h"

namespace akm::protocol {

/// As shown to operators: 100 bits in the alphabet and the groups of a one-time code. It covers the
/// hardware value, so that both are of one machine. crypto_failed.
/// `nmm_id`: of an NMM that has one already, under which a Root adopts it; 0: none.
Result<std::string> handover_fingerprint(const crypto::X25519PublicKey& key, const HardwareValue& hardware,
                                         NodeId nmm_id = 0);
/// Case, dashes, spaces and look-alikes do not matter.
bool same_fingerprint(std::string_view shown, std::string_view typed);

/// For the node that holds the private key of `node_key`. too_large, not_authentic (a key that is none).
Result<std::vector<std::uint8_t>> seal_handover(const BundleContent& content,
                                                const crypto::X25519PublicKey& node_key,
                                                const HardwareValue& hardware, RandomSource& random);
/// not_authentic when it is for another key or machine, or was changed; malformed; not_supported for another
/// way of sealing.
Result<BundleContent> open_handover(std::span<const std::uint8_t> bytes, const crypto::X25519PrivateKey& key,
                                    const HardwareValue& hardware);

}  // namespace akm::protocol
