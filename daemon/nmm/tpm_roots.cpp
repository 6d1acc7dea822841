#include "daemon/nmm/tpm_roots.h"

#include <algorithm>
#include <filesystem>

#include "daemon/base/atomic_file.h"

namespace akm::nmm {
namespace {

constexpr const char* kList = ".crl";

}  // namespace

Result<crypto::TrustedVendors> read_tpm_roots(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() != ".pem" && entry->path().extension() != kList) continue;
    if (paths.size() == kTpmRootFiles) return fail(Errc::limit_exceeded, "files in " + folder);
    paths.push_back(entry->path().string());
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return fail(Errc::storage_failed, folder + ": " + error.message());
  std::ranges::sort(paths);
  crypto::TrustedVendors out;
  for (const std::string& path : paths) {
    AKM_ASSIGN(auto bytes, read_file(path, kTpmRootFileBytes));
    (path.ends_with(kList) ? out.revocations : out.certificates).push_back(std::move(bytes));
  }
  return out;
}

}  // namespace akm::nmm
