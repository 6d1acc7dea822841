#pragma once
// Which vendors of TPMs are trusted: the certificates that an operator has put into a folder.
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/result.h"

namespace akm::nmm {

inline constexpr std::size_t kTpmRootFiles = 64;
inline constexpr std::size_t kTpmRootFileBytes = std::size_t{256} << 10;

/// The files *.pem of the folder, by name; none where there is no folder. limit_exceeded, too_large,
/// storage_failed.
Result<std::vector<std::vector<std::uint8_t>>> read_tpm_roots(const std::string& folder);

}  // namespace akm::nmm
