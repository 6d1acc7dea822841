#pragma once
// A replacement NMM speaks for a machine that has counted its starts further: under the failsafe chain its
// nodes refuse lower incarnations (section 4). So it adds to its own count what the Root told it to.
#include <cstdint>

#include "daemon/base/result.h"
#include "daemon/store/sealed_store.h"

namespace akm::nmm {

/// What is added to the sealer's count; 0 without a record. state_corrupt.
Result<std::uint32_t> incarnation_base(store::SealedStore& store);
/// The next start's incarnation is above `floor`, where the sealer's count of this one is `counted`. True
/// when that changes something; asked twice in one start it adds nothing. exhausted when the numbers do not
/// suffice.
Result<bool> raise_incarnation(store::SealedStore& store, std::uint32_t counted, std::uint32_t floor);

}  // namespace akm::nmm
