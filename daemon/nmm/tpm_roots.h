#pragma once
// Which vendors of TPMs are trusted: the certificates and revocation lists that an operator has put into a
// folder.
#include <string>

#include "daemon/base/result.h"
#include "daemon/crypto/certificate.h"

namespace akm::nmm {

inline constexpr std::size_t kTpmRootFiles = 64;
inline constexpr std::size_t kTpmRootFileBytes = std::size_t{256} << 10;

/// The files *.pem and *.crl of the folder, by name; none where there is no folder. limit_exceeded,
/// too_large, storage_failed.
Result<crypto::TrustedVendors> read_tpm_roots(const std::string& folder);

}  // namespace akm::nmm
