// Section 7: a bundle that was used is overwritten and removed, also when the drive comes back later.
#include <utility>

#include "daemon/node/node.h"

namespace akm::node {

std::optional<BundleLeftover> Node::stored_leftover() {
  auto stored = records_->leftover();
  return stored ? std::move(*stored) : std::nullopt;
}

/// Before the credentials are stored: after a crash the use id tells whether it came to that. One that lies
/// somewhere from before is not forgotten for it.
Status Node::note_leftover(const protocol::BundleContent& content, const service::BundleImport::Found& found,
                           const std::string& receipt) {
  if (!found.digest || leftover_) return {};
  return records_->save_leftover({*found.digest, content.use_id, found.path, receipt});
}

void Node::bundle_removed(const service::BundleImport::Found& found, const Status& removed) {
  auto left = stored_leftover();
  const bool noted = left && found.digest == left->digest;
  if (removed) {
    if (noted) leftover_removed();
    return;
  }
  say({.name = "bundle-not-removed", .severity = 4, .fields = {{"error", removed.error().message()}}}, {},
      "The bundle was used, but not wholly removed; remove it by hand");
  if (noted) leave_leftover(std::move(*left));
}

void Node::load_leftover() {
  auto stored = records_->leftover();
  if (!stored || !*stored) return;
  const auto used = records_->was_used((*stored)->use_id);
  if (used && !*used) {
    (void)records_->erase_leftover();  // its credentials were not taken: it is to be used yet
    return;
  }
  leave_leftover(std::move(**stored));
  remove_leftover_aside({});
}

void Node::leave_leftover(BundleLeftover leftover) {
  findings_["bundle-left"] = "A bundle that was used is still where it was (" + leftover.path +
                             "): it opens nowhere again, and is removed when its drive is plugged in";
  leftover_ = std::move(leftover);
}

void Node::remove_leftover_aside(std::function<std::vector<service::BundleOffer>()> look) {
  // When the thread has much to do: at the next drive, or start.
  (void)parts_.run_aside([this, leftover = *leftover_, also = settings_.drives_also,
                          look = std::move(look)]() -> keyring::TpmWorker::Completion {
    return [this, leftover, removed = remove_leftover(leftover, also, look)] {
      if (!removed || leftover_ != leftover) return;
      leftover_removed();
      say({.name = "bundle-removed", .severity = 5, .fields = {{"path", leftover.path}}}, {},
          "A bundle that was used before was found again, overwritten and removed");
      status_changed();
    };
  });
}

void Node::leftover_removed() {
  leftover_.reset();
  findings_.erase("bundle-left");
  // Where that fails, the next start finds the receipt and no bundle.
  (void)records_->erase_leftover();
}

}  // namespace akm::node
