#include "daemon/node/bundle_leftover.h"

#include <algorithm>

#include "daemon/crypto/digest.h"

namespace akm::node {
namespace {

/// not_found when the file there is another.
Status remove_at(const std::string& path, const BundleLeftover& leftover,
                 const std::vector<std::string>& also) {
  auto source = service::BundleSource::open(path, also);
  if (!source) {
    // The power went between the removal and the record of it: the receipt, which is written first, lies
    // there alone.
    if (source.error().code == Errc::not_found && service::has_receipt(leftover.path, leftover.receipt))
      return {};
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
