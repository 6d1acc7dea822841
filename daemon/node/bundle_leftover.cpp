#include "daemon/node/bundle_leftover.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "daemon/crypto/digest.h"

namespace akm::node {
namespace {

/// The power went between the removal and the record of it: the receipt, which is written first, lies there
/// alone.
bool was_removed(const BundleLeftover& leftover) {
  std::string path = leftover.path;
  if (!path.ends_with(service::kBundleSuffix)) return false;
  path.replace(path.size() - service::kBundleSuffix.size(), std::string::npos, service::kReceiptSuffix);
  std::ifstream file(path, std::ios::binary);
  std::string text(kLeftoverReceiptBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return !text.empty() && text == leftover.receipt;
}

/// not_found when the file there is another.
Status remove_at(const std::string& path, const BundleLeftover& leftover,
                 const std::vector<std::string>& also) {
  auto source = service::BundleSource::open(path, also);
  if (!source) {
    if (source.error().code == Errc::not_found && was_removed(leftover)) return {};
    return std::unexpected(source.error());
  }
  // Or it was overwritten, and not removed any more.
  const bool zeros = std::ranges::all_of(source->bytes(), [](std::uint8_t byte) { return byte == 0; });
  if (!zeros && crypto::sha256({source->bytes()}) != leftover.digest) return fail(Errc::not_found, path);
  return source->consume(leftover.receipt);
}

}  // namespace

Status remove_leftover(const BundleLeftover& leftover, const std::vector<std::string>& also,
                       const std::function<std::vector<service::BundleOffer>()>& look) {
  if (const Status removed = remove_at(leftover.path, leftover, also); removed) return {};
  if (look) {
    for (const service::BundleOffer& offer : look()) {
      if (offer.name.empty() || offer.digest != leftover.digest) continue;
      return remove_at(offer.device + "/" + offer.name, leftover, also);
    }
  }
  return fail(Errc::not_found, leftover.path);
}

}  // namespace akm::node
