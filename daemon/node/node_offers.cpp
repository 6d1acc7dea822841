// Bundles on drives that are plugged in: they are shown, and wait for somebody with the code.
#include <algorithm>
#include <utility>

#include "daemon/node/node.h"

namespace akm::node {
namespace {

// A drive announces itself several times, and its partitions after it: one look at all of it.
constexpr Duration kDrivesSettle = std::chrono::milliseconds(500);

}  // namespace

void Node::offer_bundles(std::function<std::vector<service::BundleOffer>()> look) {
  look_for_bundles_ = std::move(look);
  drives_changed();
}

void Node::drives_changed() {
  if (!look_for_bundles_ || look_due_ || (state_ != NodeState::unprovisioned && !leftover_)) return;
  look_due_ = parts_.now() + kDrivesSettle;
}

void Node::look_at_drives() {
  if (leftover_) remove_leftover_aside(look_for_bundles_);
  if (state_ != NodeState::unprovisioned) return;
  const Status taken = parts_.run_aside([this, look = look_for_bundles_]() -> keyring::TpmWorker::Completion {
    auto found = look();
    return [this, found = std::move(found)]() mutable { offer(std::move(found)); };
  });
  if (!taken) look_due_ = parts_.now() + kDrivesSettle;  // the thread has much to do
}

void Node::offer(std::vector<service::BundleOffer> found) {
  if (state_ != NodeState::unprovisioned) found.clear();
  if (found == offers_) return;
  for (const service::BundleOffer& one : found) {
    if (std::ranges::find(offers_, one) != offers_.end()) continue;
    const bool usable = one.refusal.empty();
    say({.name = usable ? "bundle-offered" : "bundle-refused",
         .severity = static_cast<std::uint8_t>(usable ? 5 : 4),
         .fields = {{"device", one.device}, {"file", one.name}, {"reason", one.refusal}}},
        {},
        usable ? "A drive with a bundle was found; its one-time code is needed"
               : "A drive holds what is no bundle");
  }
  offers_ = std::move(found);
  status_changed();
}

std::vector<BundleSnapshot> Node::bundles() const {
  std::vector<BundleSnapshot> out;
  for (const service::BundleOffer& one : offers_) {
    const unsigned left = one.refusal.empty() && import_ ? import_->remaining(one.digest) : 0;
    std::string refusal = one.refusal;
    if (refusal.empty() && left == 0) refusal = errc_sentence(Errc::bundle_void);
    out.push_back({one.device, one.name, left, std::move(refusal)});
  }
  return out;
}

}  // namespace akm::node
