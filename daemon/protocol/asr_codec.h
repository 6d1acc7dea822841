#pragma once
// CBOR of the ASR data structure (section 6, "install") and of its policy (section 8).
#include <array>
#include <cstdint>

#include "daemon/protocol/asr.h"
#include "daemon/protocol/cbor.h"

namespace akm::protocol {

/// All fields of section 8 but those that only some policies have (multicast_group; attestation unless none).
void write_policy(CborWriter& writer, const Policy& policy);
/// A field that is missing keeps its default, one that is unknown is skipped; what check_policy refuses is
/// refused.
Policy read_policy(CborReader& reader);
/// invalid_argument: a field is out of the bounds within which the machine works (policy_bounds in
/// asr_codec.cpp).
Status check_policy(const Policy& policy);

/// The "asr" map with the chains of epoch 0. The writer must be a secret one.
void write_asr(CborWriter& writer, const Asr& asr);
/// The same from where the parts are, so that a record of secrets needs no copy of them.
using ChainsAt = std::array<const ChainState*, kChainCount>;
void write_asr(CborWriter& writer, const AsrDescription& description, const ChainsAt& chains);
/// Also runs AsrDescription::check() and parses each endpoint.
Asr read_asr(CborReader& reader);

}  // namespace akm::protocol
